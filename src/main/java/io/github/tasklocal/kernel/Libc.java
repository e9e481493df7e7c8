// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.libbpf.libc_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** The few calls of the C library that are needed. */
@SuppressWarnings("restricted")
public final class Libc {

  private static final Path THREAD_SELF = Path.of("/proc/thread-self");

  /** The same on every architecture, as all system call numbers from 424 on. */
  private static final long SYS_PIDFD_OPEN = 434;

  private static final long SYS_GETTID = number(186, 178);
  private static final long SYS_CLOCK_GETTIME = number(228, 113);
  private static final long SYS_MADVISE = number(28, 233);
  private static final long SYS_MMAP = number(9, 222);

  /** For fcntl; the same on every architecture. */
  private static final int F_GETFL = 3;

  private static final int O_ACCMODE = 3;

  /** The size of the kernel's buffer for the reader of an iterator, in pages. */
  private static final int ITERATOR_PAGES = 8;

  static final boolean LINUX = System.getProperty("os.name", "").equals("Linux");

  /** Of a sigset_t: one bit for each signal, of which Linux has 64 and the C library 1024. */
  private static final int SIGSET_BYTES = 128;

  /** SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, the same on every architecture. */
  private static final int[] SYNCHRONOUS = {4, 5, 6, 7, 8, 11, 31};

  /** More than a struct statfs has on any architecture; it begins with the type. */
  private static final int STATFS_BYTES = 256;

  /** Of prctl, for a thread that registers itself: the letters "tlds". */
  private static final long PR_TASK_LOCAL = 0x746c6473;

  private static final long MEMBARRIER_CMD_GLOBAL = 1;

  private static volatile boolean linked;

  private Libc() {}

  /** {@return a system call's number on this processor, or 0 if it is not known here} */
  private static long number(long amd64, long generic) {
    return switch (System.getProperty("os.arch", "")) {
      case "amd64" -> amd64;
      case "aarch64", "riscv64" -> generic;
      default -> 0;
    };
  }

  /** Numbers of system calls, or 0. */
  static final class Numbers {
    static final long SOCKET = number(41, 198);
    static final long CONNECT = number(42, 203);
    static final long SENDMSG = number(46, 211);
    static final long RECVMSG = number(47, 212);
    static final long SETSOCKOPT = number(54, 208);
    private static final long PRCTL = number(157, 167);
    private static final long MEMBARRIER = number(324, 283);

    private Numbers() {}
  }

  /** Linked at the first call that needs it, which costs tens of milliseconds, once. */
  private static final class Linked {
    static final MethodHandle SYSCALL =
        Errno.capturing(
            libc_h.syscall.address(),
            FunctionDescriptor.of(
                JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                JAVA_LONG),
            Linker.Option.firstVariadicArg(1));

    /** For calls that do not fail. */
    static final MemorySegment IGNORED_ERRNO = Errno.allocate(Arena.global());

    static {
      linked = true;
    }
  }

  /** Linked separately, since only maps opened by descriptor need it. */
  private static final class Fcntl {
    static final MethodHandle HANDLE =
        Errno.capturing(
            libc_h.fcntl.address(),
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT),
            Linker.Option.firstVariadicArg(2));
  }

  /**
   * Makes a system call, through a function that is linked anyhow: another shape of function costs
   * each start some 5 ms, and with errno more.
   */
  private static long call(
      MemorySegment errno, long number, long a, long b, long c, long d, long e, long f) {
    try {
      return (long) Linked.SYSCALL.invokeExact(errno, number, a, b, c, d, e, f);
    } catch (Throwable t) {
      throw Errno.unexpected(t);
    }
  }

  /**
   * {@return what a system call returns, or a negative errno}
   *
   * @param number from {@link Numbers}
   */
  static long call(long number, long a, long b, long c, long d) {
    return call(number, a, b, c, d, 0);
  }

  /** {@return the same of a call with five arguments} */
  static long call(long number, long a, long b, long c, long d, long e) {
    if (number == 0) {
      return -Errno.ENOSYS;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = Errno.allocate(arena);
      long result = call(errno, number, a, b, c, d, e, 0);
      return result == -1 ? -Errno.of(errno) : result;
    }
  }

  /** Asks the serving side's hook to register the calling thread; its page tells the answer. */
  static void registerThread(long token, long array, long pageAndStart) {
    long ignored = call(Numbers.PRCTL, PR_TASK_LOCAL, token, array, pageAndStart);
  }

  /** Waits until no processor runs what it ran at the time of the call; returns 0. */
  static int barrier() {
    return (int) call(Numbers.MEMBARRIER, MEMBARRIER_CMD_GLOBAL, 0, 0, 0);
  }

  /** Links what pages need, as far as it is linked separately. */
  static void linkPages() {
    Object ignored = Linked.SYSCALL;
    if (SYS_MMAP == 0) {
      ignored = Mmap.HANDLE;
      ignored = libc_h.madvise$handle();
    }
  }

  private static final class Mmap {
    static final MethodHandle HANDLE =
        Errno.capturing(libc_h.mmap$address(), libc_h.mmap$descriptor());
  }

  private static final class Read {
    static final MethodHandle HANDLE =
        Errno.capturing(libc_h.read$address(), libc_h.read$descriptor());
  }

  /**
   * {@return the kernel's id of the calling thread, or 0 if this is not Linux} Reads procfs until a
   * native function has been linked, since linking one would cost a program that never opens a map
   * tens of milliseconds.
   */
  public static int currentTid() {
    if (linked) {
      return gettid();
    }
    try {
      Path self = Files.readSymbolicLink(THREAD_SELF); // PID/task/TID
      String pid = String.valueOf(ProcessHandle.current().pid());
      if (self.getNameCount() == 3 && self.getName(0).toString().equals(pid)) {
        return Integer.parseInt(self.getName(2).toString());
      }
      return gettid(); // a procfs of another pid namespace
    } catch (IOException | NumberFormatException | UnsupportedOperationException e) {
      return LINUX ? gettid() : 0; // no procfs
    }
  }

  /** {@return the same on Linux, from the kernel itself} */
  static int gettid() {
    return SYS_GETTID == 0
        ? libc_h.gettid()
        : (int) call(Linked.IGNORED_ERRNO, SYS_GETTID, 0, 0, 0, 0, 0, 0);
  }

  /**
   * {@return the processor time of a thread of this process in nanoseconds, to the moment of the
   * call, as the clock from pthread_getcpuclockid tells it; or -1 if there is no such thread, or
   * that is not known}
   */
  static long processorNanos(int tid) {
    if (SYS_CLOCK_GETTIME == 0) {
      return -1;
    }
    // Clocks of threads are made of the tid: include/linux/posix-timers.h, CPUCLOCK_SCHED.
    long clock = (~(long) tid << 3) | 6;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment time = arena.allocate(2 * Long.BYTES, Long.BYTES);
      MemorySegment errno = Errno.allocate(arena);
      long error = call(errno, SYS_CLOCK_GETTIME, clock, time.address(), 0, 0, 0, 0);
      return error != 0
          ? -1
          : time.get(JAVA_LONG, 0) * 1_000_000_000 + time.get(JAVA_LONG, Long.BYTES);
    }
  }

  /**
   * Opens a pidfd for one thread ({@code PIDFD_THREAD}, which is {@code O_EXCL}; kernel 6.9).
   *
   * @return the descriptor, or a negative errno
   */
  static int pidfdOpen(int tid) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = Errno.allocate(arena);
      long fd = call(errno, SYS_PIDFD_OPEN, tid, libc_h.O_EXCL(), 0, 0, 0, 0);
      return fd < 0 ? -Errno.of(errno) : (int) fd;
    }
  }

  /**
   * Duplicates a descriptor, closed on exec.
   *
   * @return the new descriptor, or a negative errno
   */
  static int duplicate(int fd) {
    return fcntl(fd, libc_h.F_DUPFD_CLOEXEC());
  }

  /** {@return whether a descriptor is read-only} */
  static boolean isReadOnly(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == libc_h.O_RDONLY();
  }

  private static int fcntl(int fd, int command) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = Errno.allocate(arena);
      int result = (int) Fcntl.HANDLE.invokeExact(errno, fd, command, 0);
      return result < 0 ? -Errno.of(errno) : result;
    } catch (Throwable e) {
      throw Errno.unexpected(e);
    }
  }

  /**
   * Blocks the calling thread's signals, except those that report what the thread itself has done.
   */
  static void blockSignals() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment set = arena.allocate(SIGSET_BYTES, Long.BYTES);
      long all = -1L;
      for (int signal : SYNCHRONOUS) {
        all &= ~(1L << (signal - 1));
      }
      set.set(JAVA_LONG, 0, all);
      int ignored = libc_h.pthread_sigmask(libc_h.SIG_BLOCK(), set, MemorySegment.NULL);
    }
  }

  /**
   * {@return the type of the file system that a path leads to, as in linux/magic.h; 0 if it leads
   * nowhere}
   */
  static int fileSystem(Path path) {
    Linking.ensureAll();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment answer = arena.allocate(STATFS_BYTES, Long.BYTES);
      return libc_h.statfs(arena.allocateFrom(path.toString()), answer) == 0
          ? (int) answer.get(JAVA_LONG, 0)
          : 0;
    }
  }

  /** Closes a descriptor. */
  public static void close(int fd) {
    int ignored = libc_h.close(fd);
  }

  /**
   * Reads an iterator to its end.
   *
   * @return what was read, on the heap and aligned to 8 bytes
   * @throws KernelException if the kernel refuses
   */
  static MemorySegment readAll(int fd, String operation, String subject) {
    long[] all = new long[ITERATOR_PAGES * KernelPage.BYTES / Long.BYTES];
    long used = 0;
    int again = 0;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = Errno.allocate(arena);
      MemorySegment buffer = arena.allocate((long) all.length * Long.BYTES);
      while (true) {
        long count = (long) Read.HANDLE.invokeExact(errno, fd, buffer, buffer.byteSize());
        if (count == 0) {
          return MemorySegment.ofArray(all).asSlice(0, used);
        }
        if (count > 0) {
          again = 0;
          if (used + count > (long) all.length * Long.BYTES) {
            all = Arrays.copyOf(all, Math.multiplyExact(all.length, 2));
          }
          MemorySegment.copy(buffer, 0, MemorySegment.ofArray(all), used, count);
          used += count;
          continue;
        }
        switch (Errno.of(errno)) {
          case Errno.EINTR -> {}
          case Errno.EAGAIN -> { // a run returned 1, or a million runs wrote nothing
            if (++again == 1000) {
              throw new KernelException(
                  operation,
                  subject,
                  "EAGAIN",
                  "it asks for the same thing again and again",
                  "return 0 from the program; 1 means: run me once more for this one");
            }
          }
          case Errno.E2BIG ->
              throw new KernelException(
                  operation,
                  subject,
                  "E2BIG",
                  "one run wrote more than the " + buffer.byteSize() + " bytes that fit",
                  "write less for each thing, or divide it among several programs");
          default -> throw Errno.failure(operation, subject, Errno.of(errno));
        }
      }
    } catch (Throwable e) {
      throw Errno.unexpected(e);
    }
  }

  /** {@return the size of a page of this machine in bytes} Others ask {@link KernelPage}. */
  static int pageSize() {
    return libc_h.getpagesize();
  }

  /**
   * Maps fresh memory: private, of no file, never huge, and not in child processes.
   *
   * @return its address, or a negative errno
   */
  static long mapPages(long bytes) {
    int kind = libc_h.MAP_PRIVATE() | libc_h.MAP_ANONYMOUS();
    long address = map(0, bytes, kind, -1);
    if (address >= 0) {
      boolean ignored = adviseOfPages(address, bytes);
    }
    return address;
  }

  /**
   * Maps the memory of an array that a serving side has given, which is not in child processes.
   *
   * @param at addresses to be replaced, or 0
   * @return its address, or a negative errno
   */
  static long mapArray(int fd, long bytes, long at) {
    long address = map(at, bytes, libc_h.MAP_SHARED(), fd);
    if (address >= 0) {
      int ignored = advise(address, bytes, libc_h.MADV_DONTFORK());
    }
    return address;
  }

  /**
   * Has addresses lead to fresh private memory, which takes frames only where it is used.
   *
   * @return 0 or a positive errno
   */
  static int vacate(long address, long bytes) {
    long at = map(address, bytes, libc_h.MAP_PRIVATE() | libc_h.MAP_ANONYMOUS(), -1);
    if (at < 0) {
      return (int) -at;
    }
    boolean ignored = adviseOfPages(address, bytes);
    return 0;
  }

  /** {@return the address of what was mapped, or a negative errno} */
  private static long map(long at, long bytes, int kind, int fd) {
    int access = libc_h.PROT_READ() | libc_h.PROT_WRITE();
    int flags = at == 0 ? kind : kind | libc_h.MAP_FIXED();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = Errno.allocate(arena);
      long address =
          SYS_MMAP == 0
              ? ((MemorySegment)
                      Mmap.HANDLE.invokeExact(
                          errno, MemorySegment.ofAddress(at), bytes, access, flags, fd, 0L))
                  .address()
              : call(errno, SYS_MMAP, at, bytes, access, flags, fd, 0);
      return address == -1 ? -Errno.of(errno) : address;
    } catch (Throwable e) {
      throw Errno.unexpected(e);
    }
  }

  /**
   * Has private memory never be huge and never be in child processes.
   *
   * @return whether the kernel does so
   */
  static boolean adviseOfPages(long address, long bytes) {
    // A kernel without huge pages refuses, and there is nothing to forbid.
    int ignored = advise(address, bytes, libc_h.MADV_NOHUGEPAGE());
    return advise(address, bytes, libc_h.MADV_DONTFORK()) == 0;
  }

  /**
   * Asks for the frames behind private memory to be replaced by zeroed ones.
   *
   * @return 0, or -1 if the kernel refuses
   */
  static int dropFrames(long address, long size) {
    int result = advise(address, size, libc_h.MADV_DONTNEED());
    return result == 0 ? 0 : advise(address, size, libc_h.MADV_DONTNEED_LOCKED());
  }

  private static int advise(long address, long bytes, int advice) {
    return SYS_MADVISE == 0
        ? libc_h.madvise(MemorySegment.ofAddress(address), bytes, advice)
        : (int) call(Linked.IGNORED_ERRNO, SYS_MADVISE, address, bytes, advice, 0, 0, 0);
  }

  /**
   * {@return zeroed memory that takes frames only where it is written, or an empty segment}
   *
   * @param arena unmaps it at its end
   */
  static MemorySegment reserve(long bytes, Arena arena) {
    long address = mapPages(bytes);
    return address < 0
        ? MemorySegment.NULL
        : MemorySegment.ofAddress(address)
            .reinterpret(
                bytes,
                arena,
                m -> {
                  int ignored = libc_h.munmap(m, bytes);
                });
  }

  /**
   * Maps memory of a BPF map.
   *
   * @param from where it begins: a multiple of the size of a page
   * @param arena unmaps it at its end
   * @param subject the map's name
   * @param expected the errno that has the cure
   * @param cure what to do then
   * @return the memory; read-only where not {@code writable}, since a store there would be fatal
   */
  static MemorySegment map(
      int fd,
      long from,
      long size,
      boolean writable,
      Arena arena,
      String subject,
      int expected,
      String cure) {
    int protection = libc_h.PROT_READ() | (writable ? libc_h.PROT_WRITE() : 0);
    MemorySegment memory;
    try (Arena call = Arena.ofConfined()) {
      MemorySegment errno = Errno.allocate(call);
      memory =
          (MemorySegment)
              Mmap.HANDLE.invokeExact(
                  errno, MemorySegment.NULL, size, protection, libc_h.MAP_SHARED(), fd, from);
      if (memory.address() == -1) {
        String operation = "map the memory of";
        if (Errno.of(errno) != expected) {
          throw Errno.failure(operation, subject, Errno.of(errno));
        }
        throw new KernelException(
            operation, subject, Errno.name(expected), "the kernel does not map it", cure);
      }
    } catch (Throwable e) {
      throw Errno.unexpected(e);
    }
    MemorySegment mapped =
        memory.reinterpret(
            size,
            arena,
            m -> {
              int ignored = libc_h.munmap(m, size);
            });
    return writable ? mapped : mapped.asReadOnly();
  }
}
