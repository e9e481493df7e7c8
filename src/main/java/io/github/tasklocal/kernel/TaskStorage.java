// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.EntryExistsException;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.libbpf.libbpf_h;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Entries of a task-storage map. The kernel finds the task by a pidfd, and pins the pages to which
 * the value points in the caller's address space, whatever thread the pidfd names.
 */
public final class TaskStorage {

  private final Kernel kernel;

  /**
   * Makes the door to entries.
   *
   * @param kernel whose entries
   */
  public TaskStorage(Kernel kernel) {
    this.kernel = kernel;
  }

  /**
   * Registers a thread of this process with a map.
   *
   * @param map the map
   * @param task the thread; if it is still alive once the pidfd is open, the tid was its own
   * @param value what to store, of the size of the map's values
   * @param replace whether to replace an existing entry of the thread
   * @return false if the thread has ended
   * @throws EntryExistsException if the thread has an entry and it is not to be replaced
   * @throws KernelException if the kernel refuses for another reason
   */
  public boolean put(KernelMap map, Task task, MemorySegment value, boolean replace) {
    int flags = replace ? libbpf_h.BPF_ANY() : libbpf_h.BPF_NOEXIST();
    int error = update(map, task.tid(), task, value, flags);
    if (error == 0) {
      return true;
    }
    String operation = "set the entry of " + task + " in";
    String subject = map.toString();
    if (error == Errno.EINVAL && !KernelVersion.RUNNING.atLeast(6, 13)) {
      throw new NotSupportedException(
          operation,
          subject,
          Errno.name(error),
          "the kernel lacks pidfds of threads, or user memory in task storage",
          "needs kernel 6.13 or newer; this is " + KernelVersion.RUNNING);
    }
    return switch (error) {
      case Errno.ESRCH, Errno.ENOENT -> {
        if (!kernel.isAlive(task)) {
          yield false;
        }
        throw new KernelException(
            operation,
            subject,
            Errno.name(error),
            "the kernel knows no such thread",
            "mount the procfs of this process's own pid namespace: mount -t proc proc /proc");
      }
      case Errno.EEXIST -> throw foreign(operation, map, error);
      default -> throw failure(operation, subject, error);
    };
  }

  /** Either of the two calls has failed; if a filter refuses one of them, that one. */
  private static KernelException failure(String operation, String subject, int error) {
    return Errno.failure(operation, subject, error, "", SystemCall.PIDFD_OPEN, SystemCall.BPF);
  }

  private static EntryExistsException foreign(String operation, KernelMap map, int error) {
    return new EntryExistsException(
        operation,
        map.toString(),
        error == 0 ? null : Errno.name(error),
        "the thread has an entry that is not this library's",
        "find the native library, or the copy of this one of another version, that registers threads"
            + " too, and let one of them do it; or take the entries over:"
            + " TaskLocalMap.foreignEntries(TAKE_OVER)");
  }

  /**
   * Reads a thread's entry, as far as user space can see it: the kernel shows no pointers.
   *
   * @param map the map
   * @param task the thread, which may have ended in Java; its task may be alive
   * @param value receives the entry
   * @return false if the thread has none, or its task is gone
   * @throws KernelException if the kernel refuses
   */
  public boolean get(KernelMap map, Task task, MemorySegment value) {
    int error = lookUp(map, task, value);
    return switch (error) {
      case 0 -> true;
      case Errno.ESRCH, Errno.ENOENT -> false;
      default -> throw failure("read the entry of " + task + " in", map.toString(), error);
    };
  }

  /** {@return the exception for an entry that somebody else has replaced} */
  public static EntryExistsException replaced(KernelMap map, Task task) {
    return foreign("keep the entry of " + task + " in", map, 0);
  }

  /** {@return the exception for an entry that is gone although its thread lives} */
  public static NotFoundException vanished(KernelMap map, Task task) {
    return new NotFoundException(
        "keep the entry of " + task + " in",
        map.toString(),
        null,
        "somebody has deleted it; it was set again",
        "find who deletes entries of this map: a BPF program with bpf_task_storage_delete, or"
            + " another process that may write the map");
  }

  /**
   * Refuses a map whose values hold no pointers to user memory, which is found out by a trial: the
   * kernel refuses a pointer that is not to the beginning of a page before it looks for an entry.
   * It accepts the value if the fields are mere numbers to it, because it is too old for such
   * pointers or the map has none.
   *
   * @param map descriptor of the map
   * @param value as for {@link #put}, with addresses at which no page begins
   * @throws WrongObjectException if the map's values hold no such pointers
   * @throws NotSupportedException if the kernel is too old for them
   * @throws KernelException if it cannot be tried
   */
  public void requireUserPointers(KernelMap map, MemorySegment value) {
    int tid = kernel.currentTid();
    int error = update(map, tid, null, value, libbpf_h.BPF_NOEXIST());
    switch (error) {
      case Errno.EOPNOTSUPP -> {
        return;
      }
      case 0 -> remove(map, Task.of(tid, Thread.currentThread()));
      case Errno.EEXIST, Errno.EINVAL -> {} // EINVAL: no pidfds of threads either
      default -> throw failure("open", map.toString(), error);
    }
    String problem = "the kernel sees no pointers to user memory (uptr) in its values";
    if (!KernelVersion.RUNNING.atLeast(6, 13)) {
      throw new NotSupportedException(
          "open",
          map.toString(),
          null,
          problem,
          "needs kernel 6.13 or newer; this is " + KernelVersion.RUNNING);
    }
    throw new WrongObjectException(
        "open",
        map.toString(),
        null,
        problem,
        "compile the program with task_local_data.bpf.h of this project, or with a newer clang:"
            + " clang 14 drops the uptrs of other headers");
  }

  /**
   * Takes a thread's entry out of a map; nothing happens if it has none, or if its task is gone.
   *
   * @param map the map
   * @param task the thread, which may have ended in Java; its task may be alive
   * @throws KernelException if the kernel refuses
   */
  public void remove(KernelMap map, Task task) {
    int error = delete(map, task);
    if (error != 0 && error != Errno.ESRCH && error != Errno.ENOENT) {
      throw failure("take the entry of " + task + " out of", map.toString(), error);
    }
  }

  /**
   * This and the next two return 0 or a positive errno; ESRCH if the tid is not the thread's own,
   * which is certain only once the pidfd is open.
   */
  private int update(KernelMap map, int tid, @Nullable Task task, MemorySegment value, long flags) {
    int pidfd = kernel.pidfd(tid);
    if (pidfd < 0) {
      return -pidfd;
    }
    try {
      if (task != null && !kernel.isAlive(task)) {
        return Errno.ESRCH;
      }
      int error = kernel.update(map.fd(), pidfd, value, flags);
      // EAGAIN comes while a BPF program makes the task's first storage on another CPU.
      for (int tries = 0; error == -Errno.EAGAIN && tries < 1000; tries++) {
        Thread.onSpinWait();
        error = kernel.update(map.fd(), pidfd, value, flags);
      }
      return -error;
    } finally {
      kernel.close(pidfd);
    }
  }

  private int lookUp(KernelMap map, Task task, MemorySegment value) {
    int pidfd = kernel.pidfd(task.tid());
    if (pidfd < 0) {
      return -pidfd;
    }
    try {
      return isOurs(task) ? -kernel.lookUp(map.fd(), pidfd, value) : Errno.ESRCH;
    } finally {
      kernel.close(pidfd);
    }
  }

  private int delete(KernelMap map, Task task) {
    int pidfd = kernel.pidfd(task.tid());
    if (pidfd < 0) {
      return -pidfd;
    }
    try {
      return isOurs(task) ? -kernel.delete(map.fd(), pidfd) : Errno.ESRCH;
    } finally {
      kernel.close(pidfd);
    }
  }

  /** {@return whether the tid is one of this process: a task can outlive its Java thread} */
  private boolean isOurs(Task task) {
    return kernel.isAlive(task) || task.isOurs();
  }
}
