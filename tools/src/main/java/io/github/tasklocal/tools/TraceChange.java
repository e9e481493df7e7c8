// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.Map;

/**
 * A change of a key's value: {@code struct change} of {@code trace.bpf.c}.
 *
 * @param time when it was seen, by CLOCK_MONOTONIC, in nanoseconds
 * @param pid the process
 * @param tid the thread
 * @param cpu the processor that saw it
 * @param where on what occasion
 * @param procId the process's id in the {@code /proc} of this process
 * @param ownPid the process, by the id that it has for itself in its own pid namespace
 * @param ownTid the thread, the same
 * @param comm the thread's name in the kernel, which may have anything in it
 * @param before what was seen last
 * @param after what is there now
 */
record TraceChange(
    long time,
    int pid,
    int tid,
    int cpu,
    Where where,
    int procId,
    int ownPid,
    int ownTid,
    String comm,
    SeenValue before,
    SeenValue after) {

  /** In the order of the {@code enum} in the C source. */
  enum Where {
    ENTER,
    LEAVE,
    SAMPLE,
    EXIT
  }

  private static final int COMM = 40;
  private static final int BEFORE = 56;

  static TraceChange read(MemorySegment change, KeyOption key, Map<String, String> names) {
    return new TraceChange(
        change.get(JAVA_LONG, 0),
        change.get(JAVA_INT, 8),
        change.get(JAVA_INT, 12),
        change.get(JAVA_INT, 16),
        Where.values()[change.get(JAVA_INT, 20)],
        change.get(JAVA_INT, 24),
        change.get(JAVA_INT, 28),
        change.get(JAVA_INT, 32),
        change.getString(COMM),
        SeenValue.read(change.asSlice(BEFORE, SeenValue.BYTES), key, names),
        SeenValue.read(change.asSlice(BEFORE + SeenValue.BYTES, SeenValue.BYTES), key, names));
  }
}
