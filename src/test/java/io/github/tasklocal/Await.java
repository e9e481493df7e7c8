// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Waits for what somebody else brings about. */
public final class Await {

  private Await() {}

  /** Waits until a condition holds; fails if it does not in time. */
  public static void until(String what, Duration limit, BooleanSupplier condition) {
    until(() -> what, limit, condition);
  }

  /** As above, with a message that is made when it is needed. */
  public static void until(Supplier<String> what, Duration limit, BooleanSupplier condition) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - start > limit.toNanos()) {
        throw new AssertionError("not within " + limit + ": " + what.get());
      }
      pause(5);
    }
  }

  /** Checks again and again that a condition holds all the time. */
  public static void always(String what, Duration time, BooleanSupplier condition) {
    long start = System.nanoTime();
    while (System.nanoTime() - start < time.toNanos()) {
      if (!condition.getAsBoolean()) {
        throw new AssertionError("no more: " + what);
      }
      Thread.onSpinWait();
    }
  }

  /** Sleeps, without a checked exception. */
  public static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
