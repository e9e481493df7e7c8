// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.concurrent.TimeUnit;

/**
 * A clock that shows how late this machine runs what is due: a thread sleeps for 10 ms, works for 1
 * ms of processor time, and records how much longer than that it took at worst.
 *
 * <p>It is the baseline of time limits. What is timed takes several steps of several threads, each
 * of which waits for its turn as the clock does: the keeper that finds a pin, the threads that
 * write, the process that looks for their values. So a limit allows for ten such turns.
 */
final class Lateness implements AutoCloseable {

  private static final long REST = TimeUnit.MILLISECONDS.toNanos(10);
  private static final long WORK = TimeUnit.MILLISECONDS.toNanos(1);
  private static final int TURNS = 10;

  private static final ThreadMXBean CPU = ManagementFactory.getThreadMXBean();

  private final Thread thread = Thread.ofPlatform().name("clock").daemon().unstarted(this::run);
  private volatile long due = System.nanoTime() + REST + WORK;
  private volatile long worst;

  /** Begins to measure. */
  Lateness() {
    thread.start();
  }

  private void run() {
    try {
      while (!Thread.interrupted()) {
        TimeUnit.NANOSECONDS.sleep(REST);
        long end = CPU.getCurrentThreadCpuTime() + WORK;
        while (CPU.getCurrentThreadCpuTime() < end) {
          Thread.onSpinWait();
        }
        long now = System.nanoTime();
        worst = Math.max(worst, now - due);
        due = now + REST + WORK;
      }
    } catch (InterruptedException e) {
      // That is how it is told to end.
    }
  }

  /** {@return by how many milliseconds it was late at worst, or is now if that is more} */
  double millis() {
    return Math.max(0, Math.ceil(Math.max(worst, System.nanoTime() - due) / 1e6));
  }

  /**
   * {@return a time limit with the allowance for a clock that was this late, all in milliseconds}
   */
  static double limit(double limit, double late) {
    return limit + TURNS * late;
  }

  /** Reports a time and how late a clock was meanwhile, all in milliseconds. */
  static void judge(
      SoakRun run, double limit, String figure, double time, String latest, double late) {
    run.any(latest, late, "ms");
    run.atMost(limit(limit, late), figure, time, "ms");
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
