// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/** Threads that use the processors until this is closed. */
final class Busy implements AutoCloseable {

  private final List<Thread> threads = new ArrayList<>();
  private volatile boolean stop;
  private volatile Throwable failed;

  /** Starts a thread that does this first, and then nothing but use a processor. */
  void spin(Runnable first) {
    boolean[] done = {false};
    start(
        () -> {
          if (!done[0]) {
            first.run();
            done[0] = true;
          }
          work(1_000_000);
        });
  }

  /** Starts a thread that does this again and again. */
  void start(Runnable work) {
    once(
        () -> {
          while (!stop) {
            work.run();
          }
        });
  }

  /** Starts a thread that does this; to close waits for its end. */
  void once(Runnable work) {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    thread.setUncaughtExceptionHandler((ignored, e) -> failed = e);
    threads.add(thread);
    thread.start();
  }

  /** Uses a processor for so long, by the thread's own time of it rather than the clock's. */
  static void work(long nanos) {
    long end = cpuTime() + nanos;
    while (cpuTime() < end) {
      Thread.onSpinWait();
    }
  }

  static long cpuTime() {
    return java.lang.management.ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  static void sleep(long millis) {
    LockSupport.parkNanos(Math.max(1, millis * 1_000_000));
  }

  @Override
  public void close() {
    stop = true;
    for (Thread thread : threads) {
      join(thread);
    }
    if (failed != null) {
      throw new AssertionError(failed);
    }
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
