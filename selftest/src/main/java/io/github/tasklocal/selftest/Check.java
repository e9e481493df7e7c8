// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The checks that tests make. */
public final class Check {

  private Check() {}

  public static void that(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }

  public static void equal(@Nullable Object expected, @Nullable Object actual, String what) {
    if (!Objects.equals(expected, actual)) {
      throw new AssertionError(what + ": expected " + expected + ", got " + actual);
    }
  }

  public static void equalBits(long expected, long actual, String what) {
    if (expected != actual) {
      throw new AssertionError("%s: expected %#x, got %#x".formatted(what, expected, actual));
    }
  }

  public static void contains(String expected, @Nullable String actual, String what) {
    if (actual == null || !actual.contains(expected)) {
      throw new AssertionError(what + " does not say \"" + expected + "\": " + actual);
    }
  }

  /** Code that may throw anything. */
  @FunctionalInterface
  public interface Code {
    /** Runs it. */
    void run() throws Exception;
  }

  /** {@return what the code throws, which has to be of exactly that type} */
  public static <T extends Throwable> T refused(Class<T> type, String what, Code code) {
    try {
      code.run();
    } catch (Throwable e) {
      if (e.getClass() == type) {
        return type.cast(e);
      }
      throw new AssertionError(what + ": expected " + type.getSimpleName() + ", got " + e, e);
    }
    throw new AssertionError(
        what + ": expected " + type.getSimpleName() + ", but nothing was thrown");
  }
}
