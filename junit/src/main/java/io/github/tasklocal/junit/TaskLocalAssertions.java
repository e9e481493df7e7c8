// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_CHAR_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.junit.View.Access;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Objects;
import org.junit.jupiter.api.Assertions;

/**
 * Asserts what a BPF program sees on a thread, in tests with a {@link TaskLocalExtension}.
 *
 * <p>Each method looks once, at the moment of the call: a BPF program walks over the tasks of the
 * machine, finds the thread's entry in the test's map and reads the value there, which takes less
 * than a millisecond for some hundred tasks. Wait until the thread has done what is to be seen, and
 * let it not end before: a thread that has ended has no values. If the test has no map, the value
 * in the thread's memory is compared, which a BPF program would see if there were one; where that
 * cannot be reached (another thread's outside of Linux), the test is aborted.
 *
 * <p><b>Virtual threads</b> are seen while they run, so only in a call of their own: {@code
 * assertSeen(Thread.currentThread(), ...)}, and where their values follow them (see {@link
 * TaskLocal}).
 *
 * <p>Each method throws
 *
 * <ul>
 *   <li>{@link AssertionError}, as JUnit's assertions do, if the value is another one, or if there
 *       is none: the thread has not used a key, has ended, or could not be registered
 *   <li>{@link IllegalArgumentException} if the thread is virtual, and another than the caller
 *   <li>{@link IllegalStateException} if no test with a {@link TaskLocalExtension} runs
 * </ul>
 */
public final class TaskLocalAssertions {

  private TaskLocalAssertions() {}

  /**
   * Asserts that a BPF program sees this value on a thread.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the value
   */
  public static void assertSeen(Thread thread, TaskLocal.OfBoolean key, boolean expected) {
    check(
        thread,
        new Access<>(key, bytes -> bytes.get(JAVA_BYTE, 0) != 0, key::get, key::get),
        expected);
  }

  /**
   * Asserts that a BPF program sees this value on a thread.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the value
   */
  public static void assertSeen(Thread thread, TaskLocal.OfByte key, byte expected) {
    check(
        thread, new Access<>(key, bytes -> bytes.get(JAVA_BYTE, 0), key::get, key::get), expected);
  }

  /**
   * Asserts that a BPF program sees this value on a thread.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the value
   */
  public static void assertSeen(Thread thread, TaskLocal.OfShort key, short expected) {
    check(
        thread,
        new Access<>(key, bytes -> bytes.get(JAVA_SHORT_UNALIGNED, 0), key::get, key::get),
        expected);
  }

  /**
   * Asserts that a BPF program sees this value on a thread.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the value
   */
  public static void assertSeen(Thread thread, TaskLocal.OfChar key, char expected) {
    check(
        thread,
        new Access<>(key, bytes -> bytes.get(JAVA_CHAR_UNALIGNED, 0), key::get, key::get),
        expected);
  }

  /**
   * Asserts that a BPF program sees this value on a thread.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the value
   */
  public static void assertSeen(Thread thread, TaskLocal.OfInt key, int expected) {
    check(
        thread,
        new Access<>(key, bytes -> bytes.get(JAVA_INT_UNALIGNED, 0), key::get, key::get),
        expected);
  }

  /**
   * Asserts that a BPF program sees this value on a thread.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the value
   */
  public static void assertSeen(Thread thread, TaskLocal.OfLong key, long expected) {
    check(
        thread,
        new Access<>(key, bytes -> bytes.get(JAVA_LONG_UNALIGNED, 0), key::get, key::get),
        expected);
  }

  /**
   * Asserts that a BPF program sees this value on a thread, as {@link Float#equals} compares it.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the value
   */
  public static void assertSeen(Thread thread, TaskLocal.OfFloat key, float expected) {
    check(
        thread,
        new Access<>(key, bytes -> bytes.get(JAVA_FLOAT_UNALIGNED, 0), key::get, key::get),
        expected);
  }

  /**
   * Asserts that a BPF program sees this value on a thread, as {@link Double#equals} compares it.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the value
   */
  public static void assertSeen(Thread thread, TaskLocal.OfDouble key, double expected) {
    check(
        thread,
        new Access<>(key, bytes -> bytes.get(JAVA_DOUBLE_UNALIGNED, 0), key::get, key::get),
        expected);
  }

  /**
   * Asserts that a BPF program sees this text on a thread: the UTF-8 before the first NUL.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the text
   */
  public static void assertSeen(Thread thread, TaskLocal.OfSegment key, String expected) {
    Objects.requireNonNull(expected, "expected is null: a value is a text, if only an empty one");
    check(
        thread,
        new Access<>(
            key, TaskLocalAssertions::text, key::getString, other -> text(key.segment(other))),
        expected);
  }

  /**
   * Asserts that a BPF program sees these bytes on a thread.
   *
   * @param thread the thread, which has used a key
   * @param key the key
   * @param expected the bytes: all that the value has
   */
  public static void assertSeen(Thread thread, TaskLocal.OfSegment key, MemorySegment expected) {
    check(
        thread,
        new Access<>(
            key,
            TaskLocalAssertions::hex,
            () -> hex(key.segment()),
            other -> hex(key.segment(other))),
        hex(expected));
  }

  private static <T> void check(Thread thread, Access<T> access, T expected) {
    Objects.requireNonNull(thread, "thread is null: pass the thread that has set the value");
    T seen = View.seen(thread, access);
    Assertions.assertEquals(
        expected,
        seen,
        () -> "what a BPF program sees of \"%s\" on %s".formatted(access.key().name(), thread));
  }

  private static String text(MemorySegment value) {
    byte[] bytes = value.toArray(JAVA_BYTE);
    int end = 0;
    while (end < bytes.length && bytes[end] != 0) {
      end++;
    }
    return new String(bytes, 0, end, StandardCharsets.UTF_8);
  }

  private static String hex(MemorySegment value) {
    return HexFormat.ofDelimiter(" ").formatHex(value.toArray(JAVA_BYTE));
  }
}
