// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A stack of a thread that ran: {@code struct sample} of {@code profile.bpf.h}.
 *
 * @param pid the process
 * @param tid the thread
 * @param procId the process's id in the {@code /proc} of this process; 0 if it has none there
 * @param ownPid the process, by the id that it has for itself in its own pid namespace
 * @param cgroup the id of its control group
 * @param comm the thread's name in the kernel, which may have anything in it
 * @param value {@code struct value}, if a key is read; valid while the sample is handed out
 * @param kernel the kernel's frames, the innermost first
 * @param user the process's frames, the innermost first
 */
@SuppressWarnings("ArrayRecordComponent") // compared by nobody
record ProfileSample(
    int pid,
    int tid,
    int procId,
    int ownPid,
    long cgroup,
    String comm,
    MemorySegment value,
    long[] kernel,
    long[] user) {

  private static final int COMM = 24;
  private static final int KERNEL_BYTES = 40;
  private static final int USER_BYTES = 44;
  private static final int VALUE = 48;
  private static final long FRAMES = VALUE + SeenValue.BYTES;

  static ProfileSample read(MemorySegment sample) {
    // A kernel thread has no stack of a process, and what runs in a process none of the kernel.
    int kernelBytes = Math.max(0, sample.get(JAVA_INT, KERNEL_BYTES));
    int userBytes = Math.max(0, sample.get(JAVA_INT, USER_BYTES));
    return new ProfileSample(
        sample.get(JAVA_INT, 0),
        sample.get(JAVA_INT, 4),
        sample.get(JAVA_INT, 8),
        sample.get(JAVA_INT, 12),
        sample.get(JAVA_LONG, 16),
        sample.getString(COMM),
        sample.asSlice(VALUE, SeenValue.BYTES),
        frames(sample.asSlice(FRAMES, kernelBytes)),
        frames(sample.asSlice(FRAMES + kernelBytes, userBytes)));
  }

  private static long[] frames(MemorySegment frames) {
    long[] all = frames.toArray(JAVA_LONG);
    int end = all.length;
    while (end > 0 && all[end - 1] == 0) {
      end--;
    }
    return Arrays.copyOf(all, end);
  }
}
