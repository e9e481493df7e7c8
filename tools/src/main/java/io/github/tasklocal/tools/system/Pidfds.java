// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Descriptors that stand for processes and threads. Results are negative errnos on failure. */
public final class Pidfds {

  private static final long PIDFD_SEND_SIGNAL = 424;
  private static final long PIDFD_OPEN = 434;

  /** PIDFD_THREAD (6.9), which is O_EXCL. */
  private static final int THREAD = 0200;

  /** {@code _IOWR(0xff, 11, struct pidfd_info)} of its first size, 64 bytes (6.13). */
  private static final long GET_INFO = 0xc040_ff0bL;

  private static final MethodHandle SYSCALL =
      Calls.variadic(
          1, "syscall", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle IOCTL =
      Calls.variadic(2, "ioctl", JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS);

  private Pidfds() {}

  private static int call(long number, long a, long b, long c, long d) {
    try {
      return (int) Calls.checked((long) SYSCALL.invokeExact(Calls.state(), number, a, b, c, d));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return a pidfd of a process} */
  public static int ofProcess(int pid) {
    return call(PIDFD_OPEN, pid, 0, 0, 0);
  }

  /** {@return a pidfd of a thread, where the kernel has such (6.9); EINVAL elsewhere} */
  public static int ofThread(int tid) {
    return call(PIDFD_OPEN, tid, THREAD, 0, 0);
  }

  /**
   * {@return whether a pidfd was refused since there is no such process or thread any more} All
   * else, such as that no descriptor is left, says nothing of it.
   */
  public static boolean isEnd(int status) {
    // What is said of one that ends at this moment has changed from kernel to kernel.
    return status == -Errnos.ESRCH || status == -Errnos.EINVAL || status == -Errnos.ENOENT;
  }

  /** {@return whether the process, or the thread, was waited for: its number can be another's} */
  public static boolean isGone(int pidfd) {
    return call(PIDFD_SEND_SIGNAL, pidfd, 0, 0, 0) == -Errnos.ESRCH;
  }

  /**
   * {@return the number of a process's thread if a descriptor is a pidfd of it; otherwise the
   * negative errno that is to be answered} {@link #isNone} says which of these are about the
   * thread; ENOMEM says that this process has no descriptor or memory left, and nothing of the
   * thread.
   *
   * @param process a live process
   */
  public static int checkThread(int pidfd, int process) {
    // Whoever sent it may answer calls for it, as a file system in user space does: until it is
    // known to be a pidfd, none is made but on its name.
    if (!isPidfd(pidfd)) {
      return -Errnos.EBADF;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(64, 8);
      info.set(JAVA_LONG, 0, 1); // PIDFD_INFO_PID
      int status = Calls.checked((int) IOCTL.invokeExact(Calls.state(), pidfd, GET_INFO, info));
      if (status == 0) {
        return info.get(JAVA_INT, 20) == process ? info.get(JAVA_INT, 16) : -Errnos.EPERM;
      }
      return status == -Errnos.ESRCH ? status : checkByProc(pidfd, process);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /**
   * {@return the number that the kernel gives to no other thread's pidfds as long as it runs} It is
   * that of the file in pidfs, which is as old as pidfds of threads (6.9, {@code fs/pidfs.c}).
   *
   * @param pidfd which is known to be one
   */
  public static long number(int pidfd) {
    try {
      return (Long) Files.getAttribute(Path.of("/proc/self/fd/" + pidfd), "unix:ino");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return whether it is one} Its name is the kernel's; a file's begins with a slash. */
  static boolean isPidfd(int descriptor) {
    try {
      String name = Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor)).toString();
      return name.equals("anon_inode:[pidfd]") || name.startsWith("pidfd:[");
    } catch (IOException e) {
      return false;
    }
  }

  /** {@return whether {@link #checkThread} has found no live thread of the process} */
  public static boolean isNone(int status) {
    return status == -Errnos.ESRCH || status == -Errnos.EPERM || status == -Errnos.EBADF;
  }

  /** The same before 6.13. */
  static int checkByProc(int pidfd, int process) {
    int tid = idOf(pidfd);
    if (tid < 0) {
      return tid;
    }
    boolean ours = Files.exists(Path.of("/proc/" + process + "/task/" + tid));
    // Only if it has not ended by now, the number was its own.
    int again = idOf(pidfd);
    return again < 0 ? again : ours ? tid : -Errnos.EPERM;
  }

  /** {@return the number behind a pidfd; ESRCH if it has ended, ENOMEM if it cannot be read} */
  private static int idOf(int pidfd) {
    try {
      return Files.readAllLines(Path.of("/proc/self/fdinfo/" + pidfd), StandardCharsets.ISO_8859_1)
          .stream()
          .filter(line -> line.startsWith("Pid:"))
          .mapToInt(line -> Integer.parseInt(line.substring(4).strip()))
          .filter(tid -> tid > 0)
          .findFirst()
          .orElse(-Errnos.ESRCH);
    } catch (IOException e) {
      return -Errnos.ENOMEM; // for want of a descriptor: this one is a pidfd
    }
  }
}
