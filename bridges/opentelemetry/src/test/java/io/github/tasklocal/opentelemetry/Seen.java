// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.invoke.VarHandle;

/** What the calling thread's keys of the trace hold, as OpenTelemetry writes it. */
record Seen(String traceId, String spanId, int flags) {

  private static final VarHandle TRACE_ID =
      TaskLocal.of("trace_id", MemoryLayout.sequenceLayout(2, JAVA_LONG))
          .varHandle(PathElement.sequenceElement());
  private static final TaskLocal.OfLong SPAN_ID = TaskLocal.of("span_id", JAVA_LONG);
  private static final TaskLocal.OfByte FLAGS = TaskLocal.of("trace_flags", JAVA_BYTE);

  static final Seen NOTHING = new Seen("0".repeat(32), "0".repeat(16), 0);

  static Seen now() {
    return new Seen(
        text((long) TRACE_ID.get(0L)) + text((long) TRACE_ID.get(1L)),
        text(SPAN_ID.get()),
        FLAGS.get());
  }

  private static String text(long littleEndian) {
    return "%016x".formatted(Long.reverseBytes(littleEndian));
  }
}
