// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kernel.Entries;
import io.github.tasklocal.kernel.Libc;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/**
 * What tests do in a virtual machine of its own, in the order of the arguments; each step prints
 * "ok" or the exception.
 */
public final class Child {

  private Child() {}

  /**
   * Runs the steps.
   *
   * @param arguments {@code keys}; {@code open PIN [WIRE]}; {@code load OBJECT}; {@code end-main
   *     OBJECT}; {@code pin OBJECT MAP PIN}, which waits to be killed
   */
  public static void main(String... arguments) {
    try {
      step(arguments);
      System.out.println("ok");
    } catch (TaskLocalException e) {
      System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
    }
  }

  private static void step(String... arguments) {
    switch (arguments[0]) {
      case "keys" -> keys();
      case "open" -> {
        keys(); // opening fails or not, values work
        Path pin = Path.of(arguments[1]);
        try (TaskLocalMap map =
            arguments.length == 2
                ? TaskLocalMap.open(pin)
                : TaskLocalMap.open(pin, Wire.valueOf(arguments[2]))) {
          System.out.println(map.threads() + " registered, " + map.lastFailure());
        }
      }
      case "load" -> BpfObject.load(Path.of(arguments[1])).close();
      case "pin" -> {
        BpfObject object = BpfObject.load(Path.of(arguments[1]));
        BpfMap map = object.map(arguments[2]);
        map.pin(Path.of(arguments[3]));
        System.out.println("pinned");
        waitToBeKilled();
      }
      case "end-main" -> endMain(BpfObject.load(Path.of(arguments[1])));
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  /** The task of main stays until the JVM ends, whatever becomes of the thread in Java. */
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

  private static void keys() {
    TaskLocal.OfInt key = TaskLocal.of("child.int", ValueLayout.JAVA_INT);
    key.set(7);
    if (key.get() != 7 || key.getAndAdd(1) != 7 || key.bind().get() != 8) {
      throw new AssertionError("a value is not what was set");
    }
  }

  private static void waitToBeKilled() {
    try {
      Thread.sleep(60_000);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
