// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.memory.ThreadState.Reserved;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * How many threads are between {@code start()} and their first step: each will be a task that
 * nobody knows, and has a page already. Under the registry's lock.
 */
final class Starting {

  /** How long others wait at most for a thread that has been started. */
  private static final long MOST_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final SharedData data;
  private final LongSupplier clock;

  Starting(SharedData data, LongSupplier clock) {
    this.data = data;
    this.clock = clock;
  }

  private boolean any() {
    return data.numbers[SharedData.STARTING] > 0;
  }

  void begin(ThreadState state) {
    if (state instanceof Reserved thread && !thread.starting) {
      thread.starting = true;
      data.numbers[SharedData.STARTING]++;
    }
  }

  void end(ThreadState state) {
    if (state instanceof Reserved thread && thread.starting) {
      thread.starting = false;
      data.numbers[SharedData.STARTING]--;
      data.lock.notifyAll();
    }
  }

  /** {@return whether there is any, after a wait until there is none, for a second at most} */
  boolean await() {
    boolean any = any();
    long end = clock.getAsLong() + MOST_NANOS;
    boolean interrupted = false;
    while (any()) {
      long left = TimeUnit.NANOSECONDS.toMillis(end - clock.getAsLong());
      if (left <= 0) {
        break;
      }
      try {
        data.lock.wait(left);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return any;
  }
}
