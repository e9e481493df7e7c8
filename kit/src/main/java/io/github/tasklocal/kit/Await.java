// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * Waits for what another process, the kernel or a thread of the library brings about.
 *
 * <p>If the test itself causes the change, use {@link #change}: it fails if the condition holds
 * before the cause, since a wait that is over at once proves nothing.
 */
public final class Await {

  /** What brings a change about. */
  @FunctionalInterface
  public interface Cause {
    /** Does it. */
    void run() throws Exception;
  }

  private Await() {}

  /**
   * Waits until a condition holds.
   *
   * @param what the condition in words
   * @throws AssertionError if it does not hold when the time is over ({@link Patience#WAIT})
   */
  public static void until(String what, BooleanSupplier condition) {
    boolean ignored = until(what, condition::getAsBoolean, holds -> holds);
  }

  /**
   * Looks again and again until what is seen is right.
   *
   * @param what the condition in words
   * @return what was seen then
   * @throws AssertionError if it is not right when the time is over ({@link Patience#WAIT}), with
   *     what was seen last
   */
  public static <T> T until(String what, Supplier<T> look, Predicate<? super T> right) {
    return until(what, look, right, new Patience(Patience.WAIT));
  }

  static <T> T until(String what, Supplier<T> look, Predicate<? super T> right, Patience patience) {
    T seen = look.get();
    while (!right.test(seen)) {
      if (patience.isOver()) {
        throw new AssertionError(
            "waited %d s for %s; seen last: %s"
                .formatted(patience.waited().toSeconds(), what, seen));
      }
      pause();
      seen = look.get();
    }
    return seen;
  }

  /**
   * Brings a change about, and waits until it is seen.
   *
   * @param what the condition in words; it is false before and true after the cause
   * @throws AssertionError if the condition holds before the cause, or does not hold after it when
   *     the time is over ({@link Patience#WAIT})
   */
  public static void change(String what, BooleanSupplier condition, Cause cause) {
    boolean ignored = change(what, condition::getAsBoolean, holds -> holds, cause);
  }

  /**
   * Brings a change about, and looks again and again until it is seen.
   *
   * @param what the condition in words; it is false before and true after the cause
   * @return what was seen after the cause
   * @throws AssertionError if the condition holds before the cause, or does not hold after it when
   *     the time is over ({@link Patience#WAIT})
   */
  public static <T> T change(
      String what, Supplier<T> look, Predicate<? super T> right, Cause cause) {
    T before = look.get();
    if (right.test(before)) {
      throw new AssertionError(
          "waiting for %s, which was so before its cause; seen: %s".formatted(what, before));
    }
    try {
      cause.run();
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Exception e) {
      throw new AssertionError("what should cause " + what + " failed", e);
    }
    return until(what, look, right);
  }

  /** {@return whether a thread ends before the time is over ({@link Patience#WAIT})} */
  public static boolean ended(Thread thread) {
    Patience patience = new Patience(Patience.WAIT);
    try {
      // Not what join returns: a thread is TERMINATED for a moment in which it is still alive.
      while (thread.isAlive()) {
        if (patience.isOver()) {
          return false;
        }
        boolean ignored = thread.join(Duration.ofMillis(100));
      }
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
    return true;
  }

  /**
   * {@return the result of a task that runs in another thread}
   *
   * @param what the task in words
   * @throws AssertionError if it is not done when the time is over ({@link Patience#WAIT}), or has
   *     thrown a checked exception; an unchecked one is thrown as it is
   */
  public static <T> T result(String what, Future<T> task) {
    Patience patience = new Patience(Patience.WAIT);
    while (true) {
      try {
        return task.get(100, TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        if (patience.isOver()) {
          throw new AssertionError(
              "waited %d s for %s".formatted(patience.waited().toSeconds(), what), e);
        }
      } catch (ExecutionException e) {
        switch (e.getCause()) {
          case RuntimeException thrown -> throw thrown;
          case Error thrown -> throw thrown;
          case null, default -> throw new AssertionError(what + " failed", e);
        }
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
    }
  }

  /** Lets others run before the next look. */
  private static void pause() {
    try {
      Thread.sleep(2);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private static AssertionError interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new AssertionError("interrupted while waiting", e);
  }
}
