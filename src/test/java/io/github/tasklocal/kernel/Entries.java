// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.libbpf.libbpf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Looks at the entries of a map of task storage from outside, and changes them. */
public final class Entries {

  private Entries() {}

  /** {@return whether a thread's task has an entry in the map of a descriptor} */
  public static boolean has(int fd, int tid) {
    try (KernelMap map = KernelMap.duplicate(fd);
        Arena arena = Arena.ofConfined()) {
      int pidfd = Libc.pidfdOpen(tid);
      if (pidfd < 0) {
        throw new AssertionError("no task " + tid + ": " + Errno.name(-pidfd));
      }
      try {
        return libbpf_h.bpf_map_lookup_elem(
                map.fd(), arena.allocateFrom(JAVA_INT, pidfd), arena.allocate(map.valueSize(), 8))
            == 0;
      } finally {
        Libc.close(pidfd);
      }
    }
  }

  /** Gives a thread an entry that is not this library's, and without a page. */
  public static void makeForeign(int fd, int tid, Thread thread) {
    try (KernelMap map = KernelMap.duplicate(fd);
        Arena arena = Arena.ofConfined()) {
      MemorySegment empty = arena.allocate(map.valueSize(), Long.BYTES);
      if (!new TaskStorage(new LinuxKernel()).put(map, Task.of(tid, thread), empty, false)) {
        throw new AssertionError("thread " + tid + " has ended");
      }
    }
  }

  /** Deletes a thread's entry. */
  public static void remove(int fd, int tid, Thread thread) {
    try (KernelMap map = KernelMap.duplicate(fd)) {
      new TaskStorage(new LinuxKernel()).remove(map, Task.of(tid, thread));
    }
  }
}
