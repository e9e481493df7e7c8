// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;

/**
 * A virtual thread that its scheduler is given twice, as the JDK does for a stack trace, and what
 * its tasks then meet. The scheduler is a queue, whose tasks two carriers run in the order that
 * matters. Arguments: a program of wire C, and which case.
 */
public final class VirtualRacesChild {

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);

  /** The carriers' own value. */
  private static final int OWN = 77;

  private static BpfView view;

  private final BlockingQueue<Runnable> queue = new LinkedBlockingQueue<>();
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private final Carrier one = new Carrier("one");
  private final Carrier two = new Carrier("two");

  /** What is done in place of the next submission; it may submit. */
  private volatile Runnable next;

  private VirtualRacesChild() {}

  public static void main(String[] arguments) throws Exception {
    view = BpfView.load(Path.of(arguments[0]), Wire.C);
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      VirtualRacesChild child = new VirtualRacesChild();
      switch (arguments[1]) {
        case "dropped" -> child.dropped();
        case "earlier" -> child.earlier(child.two, false);
        case "earlier-there" -> child.earlier(child.one, false);
        case "behind" -> child.earlier(child.two, true);
        case "closed" -> child.closed(map);
        default -> throw new IllegalArgumentException(arguments[1]);
      }
    }
    System.out.println("all as it should be");
    System.exit(0);
  }

  /** A platform thread that runs tasks of the queue when it is told to. */
  private static final class Carrier {
    final BlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
    final Thread thread;
    final int tid;

    Carrier(String name) {
      CompletableFuture<Integer> id = new CompletableFuture<>();
      thread =
          Thread.ofPlatform()
              .daemon()
              .name(name)
              .start(
                  () -> {
                    VALUE.set(OWN);
                    boolean ignored = id.complete(Libc.currentTid());
                    while (true) {
                      try {
                        work.take().run();
                      } catch (InterruptedException e) {
                        return;
                      }
                    }
                  });
      tid = id.join();
    }

    /** {@return a future of the task's end} */
    CompletableFuture<Void> submit(Runnable task) {
      return CompletableFuture.runAsync(task, work::add);
    }

    void run(Runnable task) {
      CompletableFuture<Void> end = submit(task);
      Await.until("what a carrier was told to run", end::isDone);
      end.join();
    }

    void showsItsOwn() {
      equal(OWN, view.of(tid), "what BPF sees of carrier " + thread.getName());
      run(() -> equal(OWN, VALUE.get(), "the carrier's own value"));
    }
  }

  private interface Step {
    void run() throws Exception;
  }

  private Thread start(Step step) throws Exception {
    Thread thread =
        VirtualCornersChild.on(
                task -> {
                  Runnable now = next;
                  next = null;
                  boolean ignored = queue.add(task);
                  if (now != null) {
                    now.run();
                  }
                })
            .unstarted(
                () -> {
                  try {
                    step.run();
                  } catch (Throwable e) {
                    failure.set(e);
                  }
                });
    thread.start();
    return thread;
  }

  private void end(Thread thread) {
    while (thread.isAlive()) {
      one.run(take());
    }
    for (Runnable rest = queue.poll(); rest != null; rest = queue.poll()) {
      one.run(rest);
    }
    if (failure.get() != null) {
      throw new AssertionError(failure.get());
    }
    one.showsItsOwn();
    two.showsItsOwn();
  }

  private Runnable take() {
    Runnable task = queue.poll();
    if (task == null) {
      throw new AssertionError("nothing was submitted; " + failure.get());
    }
    return task;
  }

  /**
   * Has a thread that is submitted submitted once more. JDKs that do not do it for a stack trace
   * may do so for another reason: a scheduler can count on nothing.
   */
  private void twice(Thread thread) {
    equal(1, queue.size(), "how often the thread is submitted");
    StackTraceElement[] ignored = thread.getStackTrace();
    System.out.println("submitted " + queue.size() + " times for a stack trace");
    if (queue.size() == 1) {
      queue.addAll(List.copyOf(queue));
    }
    equal(2, queue.size(), "how often the thread is submitted after a stack trace");
  }

  private static void equal(long expected, long found, String what) {
    if (expected != found) {
      throw new AssertionError(what + " is " + found + ", not " + expected);
    }
  }

  private static void agree(int value) {
    VALUE.set(value);
    agrees(value);
  }

  private static void agrees(int value) {
    equal(value, VALUE.get(), "the value in Java");
    equal(value, view.of(Libc.currentTid()), "the value in BPF");
  }

  /** A second task of a thread that runs ends at once, and leaves its carrier alone. */
  @SuppressWarnings("ThreadPriorityCheck") // it is submitted again
  private void dropped() throws Exception {
    AtomicBoolean running = new AtomicBoolean();
    AtomicBoolean seen = new AtomicBoolean();
    Thread thread =
        start(
            () -> {
              agree(5);
              Thread.yield();
              running.set(true);
              while (!seen.get()) {
                Thread.onSpinWait(); // is not unmounted
              }
              agrees(5);
            });
    one.run(take());
    twice(thread);
    CompletableFuture<Void> first = one.submit(take());
    Await.until("the thread's second mount", running::get);
    try {
      two.run(take());
      two.showsItsOwn();
    } finally {
      seen.set(true);
    }
    Await.until("the thread's end", first::isDone);
    end(thread);
  }

  /**
   * A task from before the first use mounts the thread after it.
   *
   * @param other where
   * @param behind whether this is done while the carrier before has not come back from the thread
   */
  @SuppressWarnings("ThreadPriorityCheck") // it is submitted again
  private void earlier(Carrier other, boolean behind) throws Exception {
    AtomicReference<Runnable> early = new AtomicReference<>();
    AtomicReference<CompletableFuture<Void>> mount = new AtomicReference<>();
    Runnable run =
        () -> {
          CompletableFuture<Void> end = other.submit(early.get());
          mount.set(end);
          Await.until("a mount by the earlier task", () -> end.isDone() || waits(other.thread));
        };
    Thread thread =
        start(
            () -> {
              Thread.yield();
              agree(5);
              next = behind ? run : null;
              Thread.yield();
              agrees(5);
              agree(6);
              Thread.yield();
              agrees(6);
            });
    one.run(take());
    twice(thread);
    early.set(take());
    one.run(take());
    one.showsItsOwn();
    if (!behind) {
      run.run();
    }
    Await.until("the end of the mount by the earlier task", mount.get()::isDone);
    end(thread);
  }

  /** {@return whether a carrier waits until another has come back from a thread} */
  private static boolean waits(Thread carrier) {
    return Stream.of(carrier.getStackTrace())
        .anyMatch(each -> each.getClassName().endsWith(".VirtualRecord"));
  }

  /** A task from before the last map was closed mounts the thread after one was opened again. */
  @SuppressWarnings("ThreadPriorityCheck") // it is submitted again
  private void closed(TaskLocalMap map) throws Exception {
    Thread thread =
        start(
            () -> {
              agree(5);
              Thread.yield();
              equal(5, VALUE.get(), "the value after the last map was closed");
              VALUE.set(6);
              Thread.yield();
              agrees(6);
              Thread.yield();
              long seen = view.of(Libc.currentTid());
              if (seen != OWN && seen != 6) {
                throw new AssertionError("BPF sees " + seen + ", which the thread had earlier");
              }
              agrees(6);
            });
    one.run(take());
    twice(thread);
    map.close();
    one.run(take());
    Runnable early = take();
    try (TaskLocalMap again = TaskLocalMap.of(view.map().fd())) {
      equal(0, again.failures(), "failures");
      one.run(take());
      two.run(early);
      end(thread);
    }
  }
}
