// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.context;

import static java.lang.foreign.MemoryLayout.PathElement.sequenceElement;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.MemoryLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * The keys that say to which trace the calling thread's work belongs, as the <a
 * href="https://www.w3.org/TR/trace-context-2/#traceparent-header">W3C's trace context</a> does:
 *
 * <ul>
 *   <li>{@code trace_id}, 16 bytes, from the first on in the order of the hexadecimal text;
 *   <li>{@code span_id}, 8 bytes, likewise;
 *   <li>{@code trace_flags}, a byte, of which bit 0 says that the trace is recorded.
 * </ul>
 *
 * <p>All are zero in a thread that works for no trace. While they are changed, {@code span_id} is
 * zero: a BPF program that runs on the thread's processor, and finds another {@code span_id} there,
 * has the {@code trace_id} and the flags that belong to it.
 *
 * <p>With {@code -Dtasklocal.profilers=true} the three are also in a record where profilers look
 * for it that know nothing of this library (docs/context.md has the rules).
 *
 * <p>They are made at the first use of this class. If that cannot be (a name is taken by another
 * layout, there is no room), it is logged once, and none of the three is shown.
 */
public final class TraceKeys {

  private static final int TRACE_ID_DIGITS = 32;
  private static final int SPAN_ID_DIGITS = 16;

  // Constants, since a VarHandle is fast in no other way.
  private static final @Nullable VarHandle TRACE_ID;
  private static final TaskLocal.@Nullable OfLong SPAN_ID;
  private static final TaskLocal.@Nullable OfByte FLAGS;

  /** For profilers, if it was asked for. */
  private static final @Nullable VarHandle RECORD;

  static {
    VarHandle traceId = null;
    TaskLocal.OfLong spanId = null;
    TaskLocal.OfByte flags = null;
    try {
      traceId =
          TaskLocal.of("trace_id", MemoryLayout.sequenceLayout(2, JAVA_LONG))
              .varHandle(sequenceElement());
      spanId = TaskLocal.of("span_id", JAVA_LONG);
      flags = TaskLocal.of("trace_flags", JAVA_BYTE);
    } catch (RuntimeException | LinkageError e) {
      // Whatever keeps a key from being made: the application goes on without it.
      ContextKeys.warn(
          "The keys trace_id, span_id and trace_flags are not shown: "
              + (e instanceof IllegalArgumentException ? e.getMessage() : e));
    }
    boolean areAll = flags != null;
    VarHandle record = null;
    try {
      record = areAll ? ThreadContext.open() : null;
    } catch (RuntimeException | LinkageError e) {
      ContextKeys.warn("Profilers are told nothing of traces: " + e);
    }
    RECORD = record;
    TRACE_ID = areAll ? traceId : null;
    SPAN_ID = areAll ? spanId : null;
    FLAGS = flags;
  }

  /** Whether a problem was logged: once is enough. */
  private static volatile boolean isSaid;

  private TraceKeys() {}

  /** {@return whether the keys could be made} The first call makes them. */
  public static boolean areShown() {
    return FLAGS != null;
  }

  /**
   * Sets the calling thread's values. Allocates nothing but in the thread's first use of any key
   * (see {@link TaskLocal}), and throws nothing: what is no identifier counts as none, and what
   * keeps a value from being set is logged once.
   *
   * @param traceId 32 hexadecimal digits in lower case
   * @param spanId 16 such digits
   * @param flags as in the header {@code traceparent}
   */
  public static void set(String traceId, String spanId, byte flags) {
    if (traceId.length() != TRACE_ID_DIGITS || spanId.length() != SPAN_ID_DIGITS) {
      clear();
      return;
    }
    write(bytes(traceId, 0), bytes(traceId, 16), bytes(spanId, 0), flags);
  }

  /** Sets the calling thread's values to zero; otherwise as {@link #set}. */
  public static void clear() {
    write(0, 0, 0, (byte) 0);
  }

  private static void write(long first, long second, long spanId, byte flags) {
    if (TRACE_ID == null || SPAN_ID == null || FLAGS == null) {
      return;
    }
    try {
      SPAN_ID.set(0);
      TRACE_ID.setRelease(0L, first);
      TRACE_ID.setRelease(1L, second);
      FLAGS.setRelease(flags);
      SPAN_ID.setRelease(spanId);
      if (RECORD != null) {
        RECORD.setOpaque(3L, 0L);
        if (spanId != 0) {
          RECORD.setRelease(0L, first);
          RECORD.setRelease(1L, second);
          RECORD.setRelease(2L, spanId);
          RECORD.setRelease(3L, ThreadContext.valid(flags));
        }
      }
    } catch (RuntimeException | Error e) {
      if (!isSaid) {
        isSaid = true;
        ContextKeys.warn(
            "The keys of the trace could not be set, and the thread goes on. (Said once.)", e);
      }
    }
  }

  /** {@return the word whose bytes in memory are 16 digits} */
  private static long bytes(String digits, int from) {
    long word = 0;
    for (int i = from; i < from + 16; i++) {
      int c = digits.charAt(i);
      int digit = c <= '9' ? c - '0' : c - 'a' + 10;
      word = (word << 4) | (digit & 0xf);
    }
    return ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN ? word : Long.reverseBytes(word);
  }
}
