// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;

/** Times in nanoseconds. */
final class Clock {

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private Clock() {}

  /** {@return the processor time that the calling thread has had} */
  static long ownTime() {
    return THREADS.getCurrentThreadCpuTime();
  }

  static void sleepUntil(long time) throws InterruptedException {
    for (long left = time - System.nanoTime(); left > 0; left = time - System.nanoTime()) {
      Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
    }
  }
}
