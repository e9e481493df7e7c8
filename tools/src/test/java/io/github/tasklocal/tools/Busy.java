// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.Patience;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;

/** Threads that work, or just exist, until this is closed. */
final class Busy implements AutoCloseable {

  /** What a thread does. */
  interface Work {
    void run() throws Exception;
  }

  private final List<Thread> threads = new ArrayList<>();
  private final CountDownLatch closed = new CountDownLatch(1);
  private volatile Throwable failed;

  /** Starts a thread that does this first, and then nothing but use a processor. */
  void spin(Work first) {
    once(
        () -> {
          first.run();
          while (!stopped()) {
            work(1_000_000);
          }
        });
  }

  /** Starts a thread that does this, and then waits. */
  void stay(Work first) {
    once(
        () -> {
          first.run();
          closed.await();
        });
  }

  /** Starts a thread that does this again and again. */
  void start(Work work) {
    once(
        () -> {
          while (!stopped()) {
            work.run();
          }
        });
  }

  /** Starts a thread that does this; {@link #close} waits for its end. */
  void once(Work work) {
    Thread thread =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  try {
                    work.run();
                  } catch (Throwable e) {
                    failed = e;
                  }
                });
    threads.add(thread);
  }

  private boolean stopped() {
    return closed.getCount() == 0;
  }

  /**
   * Uses a processor for at least this processor time of the thread, and {@return how long it was}
   */
  static long work(long nanos) {
    long start = cpuTime();
    long used = 0;
    while (used < nanos) {
      Thread.onSpinWait();
      used = cpuTime() - start;
    }
    return used;
  }

  static long cpuTime() {
    return java.lang.management.ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  /** Gives the processor up for a moment, as a thread does that waits for work. */
  static void rest(long millis) {
    LockSupport.parkNanos(Math.max(1, millis * 1_000_000));
  }

  @Override
  public void close() {
    closed.countDown();
    Patience patience = new Patience(Patience.WAIT);
    threads.forEach(thread -> join(thread, patience));
    if (failed != null) {
      throw new AssertionError(failed);
    }
  }

  /** Without polling, since the test may count the time of the thread that closes this. */
  private static void join(Thread thread, Patience patience) {
    try {
      while (!thread.join(Duration.ofSeconds(1))) {
        if (patience.isOver()) {
          AssertionError late =
              new AssertionError("waited %s for a thread to end".formatted(patience.waited()));
          late.setStackTrace(thread.getStackTrace());
          throw late;
        }
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
