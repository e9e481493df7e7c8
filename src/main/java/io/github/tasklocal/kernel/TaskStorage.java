// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.EntryExistsException;
import io.github.tasklocal.KernelException;
import io.github.tasklocal.NotSupportedException;
import io.github.tasklocal.libbpf.libbpf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

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
    int error =
        withPidfd(
            tid,
            thread::isAlive,
            key -> libbpf_h.bpf_map_update_elem(map.fd(), key, value, libbpf_h.BPF_NOEXIST()));
    if (error == 0) {
      return true;
    }
    String operation = "set the entry of thread \"" + thread.getName() + "\" (tid " + tid + ") in";
    String subject = map.toString();
    if (error == Errno.EINVAL && !KernelVersion.RUNNING.atLeast(6, 13)) {
      throw new NotSupportedException(
          operation,
          subject,
          Errno.name(error),
          "the kernel knows no pidfd of a thread, or no user memory in task storage",
          "needs kernel 6.13 or newer; this is " + KernelVersion.RUNNING);
    }
    return switch (error) {
      case Errno.ESRCH, Errno.ENOENT -> {
        if (!thread.isAlive()) {
          yield false;
        }
        throw new KernelException(
            operation,
            subject,
            Errno.name(error),
            "the kernel knows no such thread",
            "mount the procfs of this process's own pid namespace: mount -t proc proc /proc");
      }
      case Errno.EEXIST ->
          throw new EntryExistsException(
              operation,
              subject,
              Errno.name(error),
              "the thread has an entry that is not this library's",
              "find the native library, or the second copy of this one in another class loader,"
                  + " that registers threads too, and let one of them do it");
      default -> throw Errno.failure(operation, subject, error);
    };
  }

  /**
   * {@return whether the map's values hold pointers to user memory, so far as can be tried} The
   * kernel refuses a pointer to no whole page before it looks for an entry. Where the fields are
   * mere numbers to it, because it is too old for such pointers or the map has none, it takes them.
   *
   * @param map descriptor of the map
   * @param value as for {@link #put}, with addresses at which no page begins
   */
  public static boolean holdsUserPointers(KernelMap map, MemorySegment value) {
    int tid = Libc.gettid();
    int error =
        withPidfd(
            tid,
            () -> true,
            key -> libbpf_h.bpf_map_update_elem(map.fd(), key, value, libbpf_h.BPF_NOEXIST()));
    if (error == 0) {
      remove(map, tid, Thread.currentThread());
    }
    // EINVAL: the kernel knows no pidfd of a thread, and is still older.
    return error != 0 && error != Errno.EEXIST && error != Errno.EINVAL;
  }

  /**
   * Takes a thread's entry out of a map; nothing happens if it has none, or if its task is gone.
   *
   * @param map descriptor of the map
   * @param tid the kernel's id of the thread
   * @param thread the same thread in Java, or null if it has ended there; its task may be alive
   * @throws KernelException if the kernel refuses
   */
  public static void remove(KernelMap map, int tid, @Nullable Thread thread) {
    int error =
        withPidfd(
            tid,
            () -> (thread != null && thread.isAlive()) || isOurs(tid),
            key -> libbpf_h.bpf_map_delete_elem(map.fd(), key));
    if (error != 0 && error != Errno.ESRCH && error != Errno.ENOENT) {
      throw Errno.failure("take the entry of thread " + tid + " out of", map.toString(), error);
    }
  }

  /** Whether the kernel's id is, by now, that of a thread of this process. */
  private static boolean isOurs(int tid) {
    return Files.exists(Path.of("/proc/self/task/" + tid));
  }

  @FunctionalInterface
  private interface Call {
    int with(MemorySegment key);
  }

  /**
   * Calls with a pidfd of a thread, if it is the right one once the pidfd is open.
   *
   * @return 0, or a positive errno; ESRCH if it is not the right one
   */
  private static int withPidfd(int tid, BooleanSupplier right, Call call) {
    try (Arena arena = Arena.ofConfined()) {
      int pidfd = Libc.pidfdOpen(tid, Errno.allocate(arena));
      if (pidfd < 0) {
        return -pidfd;
      }
      try {
        if (!right.getAsBoolean()) {
          return Errno.ESRCH;
        }
        MemorySegment key = arena.allocateFrom(JAVA_INT, pidfd);
        int error = call.with(key);
        // The kernel answers so while a BPF program makes the task's first storage on another CPU.
        for (int tries = 0; error == -Errno.EAGAIN && tries < 1000; tries++) {
          Thread.onSpinWait();
          error = call.with(key);
        }
        return error < 0 ? -error : 0;
      } finally {
        Libc.close(pidfd);
      }
    }
  }
}
