// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.HeldObject;
import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.kernel.Entries;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Seccomp;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.locks.LockSupport;

/**
 * What tests do in a JVM of its own: the step that the arguments name. It prints "ok" or the
 * exception.
 */
public final class ChildSteps {

  private ChildSteps() {}

  /**
   * Runs the step.
   *
   * @param arguments {@code keys}; {@code share}, which sets "life.00" to 41, prints its tid and
   *     waits until its input ends; {@code open PIN [WIRE]}; {@code load OBJECT}; {@code attach
   *     OBJECT PROGRAM}; {@code refuse CALL ERRNO STEP...}, which takes a step with a seccomp
   *     filter that refuses a system call; {@code end-main OBJECT}; {@code pin OBJECT MAP PIN END},
   *     where the end is to {@code wait} for a signal, to {@code exit}, to exit while the object is
   *     {@code held}, to {@code throw}, to {@code return}, or to return and {@code keep} the pin;
   *     {@code take-over OBJECT MAP PIN}; {@code pin-and-exit OBJECT MAP PIN...}; {@code
   *     pin-in-hook OBJECT MAP PIN}
   */
  public static void main(String... arguments) throws Exception {
    try {
      step(arguments);
      System.out.println("ok");
    } catch (TaskLocalException e) {
      System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
    }
  }

  private static void step(String... arguments) throws Exception {
    switch (arguments[0]) {
      case "keys" -> keys();
      case "share" -> share();
      case "open" -> {
        keys(); // values work whether opening fails or not
        Path pin = Path.of(arguments[1]);
        try (TaskLocalMap map =
            arguments.length == 2
                ? TaskLocalMap.open(pin)
                : TaskLocalMap.open(pin, Wire.valueOf(arguments[2]))) {
          System.out.println(map.threads() + " registered, " + map.lastFailure());
        }
      }
      case "load" -> BpfObject.load(Path.of(arguments[1])).close();
      case "attach" -> {
        try (BpfObject object = BpfObject.load(Path.of(arguments[1]))) {
          object.program(arguments[2]).attach().close();
        }
      }
      case "refuse" -> {
        Seccomp.refuse(arguments[1], Integer.parseInt(arguments[2]));
        step(Arrays.copyOfRange(arguments, 3, arguments.length));
      }
      case "pin" -> {
        BpfObject object = BpfObject.load(Path.of(arguments[1]));
        BpfMap map = object.map(arguments[2]);
        map.pin(Path.of(arguments[3]));
        System.out.println(Files.exists(Path.of(arguments[3])) ? "pinned" : "no pin");
        if (arguments[4].equals("keep")) {
          Path pin = Path.of(arguments[3]);
          Files.createLink(pin.resolveSibling("kept"), pin);
          return;
        }
        end(arguments[4], object);
      }
      case "take-over" -> {
        BpfObject object = BpfObject.open(Path.of(arguments[1]));
        object.map(arguments[2]).pinPath(Path.of(arguments[3]));
        object.load();
      }
      case "pin-and-exit" -> pinAndExit(arguments);
      case "pin-in-hook" -> pinInHook(arguments);
      case "huge-pages" -> hugePages(BpfObject.load(Path.of(arguments[1])));
      case "version" -> otherVersion(BpfObject.load(Path.of(arguments[1])));
      case "end-main" -> endMain(BpfObject.load(Path.of(arguments[1])));
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  /** The main thread's task lives until the JVM ends, even after the thread has ended in Java. */
  private static void endMain(BpfObject object) {
    int fd = object.map(Wire.A.mapName()).fd();
    TaskLocalMap map = TaskLocalMap.of(fd);
    keys();
    Thread main = Thread.currentThread();
    int tid = Libc.currentTid();
    Thread other =
        new Thread(
            () -> {
              try {
                main.join();
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
              System.out.println("entry before close: " + Entries.has(fd, tid));
              map.close();
              System.out.println("entry after close: " + Entries.has(fd, tid));
              object.close();
            });
    other.start();
  }

  /** A copy of the library of another version was here first. */
  private static void otherVersion(BpfObject object) {
    Object[] data = {"io.github.tasklocal", 99, null, null};
    Thread other = new Thread(() -> LockSupport.park(data), "TaskLocal data");
    other.setDaemon(true);
    other.start();
    while (LockSupport.getBlocker(other) == null) {
      Thread.onSpinWait();
    }
    TaskLocal.OfInt key = TaskLocal.of("life.00", ValueLayout.JAVA_INT);
    key.set(7);
    try (TaskLocalMap map = TaskLocalMap.of(object.map(Wire.C.mapName()).fd())) {
      System.out.println("value " + key.get() + ", threads " + map.threads());
    }
    object.close();
  }

  /** Malloc gives huge pages here, of which no part can be given back. */
  private static void hugePages(BpfObject object) throws Exception {
    TaskLocal.OfInt key = TaskLocal.of("life.00", ValueLayout.JAVA_INT);
    key.set(7);
    try (TaskLocalMap map = TaskLocalMap.of(object.map(Wire.C.mapName()).fd())) {
      System.out.println("left before: " + map.unregistered().size());
      System.out.println("value " + key.get() + ", left after: " + map.unregistered().size());
      int wrong = 0;
      for (int i = 0; i < 1200; i++) {
        FutureTask<Integer> task =
            new FutureTask<>(
                () -> {
                  int first = key.get();
                  key.set(1);
                  return first;
                });
        new Thread(task).start();
        wrong += task.get();
      }
      System.out.println("threads that began with another's value: " + wrong);
    }
    object.close();
  }

  private static void share() {
    TaskLocal.of("life.00", ValueLayout.JAVA_INT).set(41);
    System.out.println(Libc.currentTid());
    try {
      while (System.in.read() >= 0) {}
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void keys() {
    TaskLocal.OfInt key = TaskLocal.of("child.int", ValueLayout.JAVA_INT);
    key.set(7);
    if (key.get() != 7 || key.getAndAdd(1) != 7 || key.bind().get() != 8) {
      throw new AssertionError("a value is not what was set");
    }
  }

  private static void end(String end, BpfObject object) throws InterruptedException {
    switch (end) {
      case "wait" -> Thread.sleep(Long.MAX_VALUE);
      case "exit" -> System.exit(3);
      case "held" -> {
        HeldObject.hold(object);
        System.exit(3); // the shutdown hook must not wait for the object
      }
      case "throw" -> {
        startDaemon(ChildSteps::sleep);
        throw new IllegalStateException("the uncaught one");
      }
      case "return" -> {}
      default -> throw new IllegalArgumentException(end);
    }
  }

  /** Exits while threads make and remove pins, at paths that they share. */
  private static void pinAndExit(String... arguments) throws InterruptedException {
    CountDownLatch pinned = new CountDownLatch(1000);
    for (int i = 0; i < 4; i++) {
      BpfMap map = BpfObject.load(Path.of(arguments[1])).map(arguments[2]);
      Path first = Path.of(arguments[3 + i % 2]);
      Path second = Path.of(arguments[4 - i % 2]);
      startDaemon(
          () -> {
            try {
              while (true) {
                map.pin(first);
                map.pin(second);
                map.unpin(first);
                map.unpin(second);
                pinned.countDown();
              }
            } catch (IllegalStateException e) {
              System.out.println(e.getMessage());
            }
          });
    }
    pinned.await();
    System.exit(3);
  }

  /** Pins for the first time once the virtual machine is ending. */
  private static void pinInHook(String... arguments) {
    BpfMap map = BpfObject.load(Path.of(arguments[1])).map(arguments[2]);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  try {
                    map.pin(Path.of(arguments[3]));
                  } catch (IllegalStateException e) {
                    System.out.println(e.getMessage());
                  }
                }));
    System.exit(0);
  }

  private static void startDaemon(Runnable work) {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    thread.start();
  }

  private static void sleep() {
    try {
      Thread.sleep(Long.MAX_VALUE);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
