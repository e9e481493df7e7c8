// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.EntryExistsException;
import io.github.tasklocal.KernelException;
import io.github.tasklocal.NotSupportedException;
import io.github.tasklocal.libbpf.libbpf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Entries of a task-storage map. The kernel finds the task by a pidfd, and pins the pages that the
 * value points to in the caller's address space, whatever thread the pidfd names.
 */
public final class TaskStorage {

  private TaskStorage() {}

  /**
   * Registers a thread of this process with a map, if it has no entry there.
   *
   * @param map descriptor of the map
   * @param tid the kernel's id of the thread
   * @param thread the same thread in Java: that it still runs after the pidfd is open proves that
   *     the tid is still its own
   * @param value what to store, as long as the map's values
   * @return false if the thread has ended
   * @throws EntryExistsException if the thread has an entry
   * @throws KernelException if the kernel refuses for another reason
   */
  public static boolean put(KernelMap map, int tid, Thread thread, MemorySegment value) {
    return withPidfd(
        "set the entry of",
        map,
        tid,
        thread,
        key -> libbpf_h.bpf_map_update_elem(map.fd(), key, value, libbpf_h.BPF_NOEXIST()));
  }

  /**
   * Takes a thread's entry out of a map; nothing happens if it has none.
   *
   * @param map descriptor of the map
   * @param tid the kernel's id of the thread
   * @param thread the same thread in Java
   * @throws KernelException if the kernel refuses
   */
  public static void remove(KernelMap map, int tid, Thread thread) {
    boolean ignored =
        withPidfd(
            "take out the entry of",
            map,
            tid,
            thread,
            key -> libbpf_h.bpf_map_delete_elem(map.fd(), key));
  }

  @FunctionalInterface
  private interface Call {
    int with(MemorySegment key);
  }

  private static boolean withPidfd(String what, KernelMap map, int tid, Thread thread, Call call) {
    try (Arena arena = Arena.ofConfined()) {
      int pidfd = Libc.pidfdOpen(tid, Errno.allocate(arena));
      if (pidfd < 0) {
        return ended(-pidfd, what, map, tid, thread);
      }
      try {
        if (!thread.isAlive()) {
          return false;
        }
        int error = call.with(arena.allocateFrom(JAVA_INT, pidfd));
        return error >= 0 || ended(-error, what, map, tid, thread);
      } finally {
        Libc.close(pidfd);
      }
    }
  }

  /** False for a thread that is gone; the exception for everything else. */
  private static boolean ended(int errno, String what, KernelMap map, int tid, Thread thread) {
    String operation = what + " thread \"" + thread.getName() + "\" (tid " + tid + ") in";
    String subject = map.toString();
    return switch (errno) {
      case Errno.ESRCH, Errno.ENOENT -> false;
      case Errno.EEXIST ->
          throw new EntryExistsException(
              operation,
              subject,
              Errno.name(errno),
              "the thread has an entry that is not this library's",
              "find the native library, or the second copy of this one in another class loader,"
                  + " that registers threads too, and let one of them do it");
      case Errno.EINVAL ->
          throw new NotSupportedException(
              operation,
              subject,
              Errno.name(errno),
              "the kernel knows no pidfd of a thread, or no user memory in task storage",
              "needs kernel 6.13 or newer; this is " + KernelVersion.RUNNING);
      default -> throw Errno.failure(operation, subject, errno);
    };
  }
}
