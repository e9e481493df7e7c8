// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * What one would call without the library: each function linked once, into a constant, by the
 * shortest descriptor. Nothing here keeps errno, which would cost more.
 */
final class ByHand {

  /** Flags of a map update. */
  static final long BPF_ANY = 0;

  static final long BPF_NOEXIST = 1;

  static final long PAGE = 4096;

  /** All memory, so that a constant address needs no segment of its own. */
  static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private static final long SYS_PIDFD_OPEN = 434;
  private static final long PIDFD_THREAD = 0200;

  private static final int PROT_READ_WRITE = 3;
  private static final int MAP_PRIVATE_ANONYMOUS = 0x22;

  private static final Linker LINKER = Linker.nativeLinker();
  private static final SymbolLookup LIBC = LINKER.defaultLookup();
  private static final SymbolLookup LIBBPF =
      SymbolLookup.libraryLookup("libbpf.so.1", Arena.global());

  private static final MethodHandle GETTID = link(LIBC, "gettid", FunctionDescriptor.of(JAVA_INT));
  private static final MethodHandle CLOSE =
      link(LIBC, "close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
  private static final MethodHandle SYSCALL =
      link(
          LIBC,
          "syscall",
          FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
          Linker.Option.firstVariadicArg(1));
  private static final MethodHandle MMAP =
      link(
          LIBC,
          "mmap",
          FunctionDescriptor.of(
              ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
  private static final MethodHandle UPDATE =
      link(
          LIBBPF,
          "bpf_map_update_elem",
          FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG));
  private static final MethodHandle DELETE =
      link(LIBBPF, "bpf_map_delete_elem", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));

  private ByHand() {}

  private static MethodHandle link(
      SymbolLookup library,
      String function,
      FunctionDescriptor descriptor,
      Linker.Option... options) {
    return LINKER.downcallHandle(
        library.find(function).orElseThrow(() -> new IllegalStateException("no " + function)),
        descriptor,
        options);
  }

  static int gettid() {
    try {
      return (int) GETTID.invokeExact();
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static int pidfdOpen(int tid) {
    try {
      long fd = (long) SYSCALL.invokeExact(SYS_PIDFD_OPEN, (long) tid, PIDFD_THREAD);
      return (int) require(fd >= 0, fd, "pidfd_open");
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void update(int map, MemorySegment key, MemorySegment value, long flags) {
    try {
      int result = (int) UPDATE.invokeExact(map, key, value, flags);
      require(result == 0, result, "bpf_map_update_elem");
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void delete(int map, MemorySegment key) {
    try {
      int result = (int) DELETE.invokeExact(map, key);
      require(result == 0, result, "bpf_map_delete_elem");
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void close(int fd) {
    try {
      int result = (int) CLOSE.invokeExact(fd);
      require(result == 0, result, "close");
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** {@return pages that nobody has touched, so that none has a frame yet} They are never freed. */
  static MemorySegment untouchedPages(int count) {
    try {
      long size = count * PAGE;
      MemorySegment pages =
          (MemorySegment)
              MMAP.invokeExact(
                  MemorySegment.NULL, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
      require(pages.address() != -1, -1, "mmap");
      return pages.reinterpret(size);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static long require(boolean success, long result, String call) {
    if (!success) {
      throw new IllegalStateException(call + " has failed: " + result);
    }
    return result;
  }

  /** A thread's entry in a map of wire A, and the key to update it by. */
  static final class Entry {
    private final MemorySegment key;
    private final MemorySegment value;

    /**
     * Makes an entry that can serve one thread after the other.
     *
     * @param keyPage the same for all threads of a process
     */
    Entry(Arena arena, long keyPage) {
      this.key = arena.allocate(JAVA_INT);
      this.value = arena.allocate(32, 8);
      value.set(JAVA_LONG, 16, keyPage);
      value.set(ValueLayout.JAVA_SHORT, 24, (short) 64);
    }

    /** Registers a thread with a map: a pidfd, an update, and a close. */
    void register(int map, int tid, long page) {
      int pidfd = pidfdOpen(tid);
      key.set(JAVA_INT, 0, pidfd);
      value.set(JAVA_LONG, 0, page);
      update(map, key, value, BPF_NOEXIST);
      close(pidfd);
    }

    /** Deletes a thread's entry. */
    void remove(int map, int tid) {
      int pidfd = pidfdOpen(tid);
      key.set(JAVA_INT, 0, pidfd);
      delete(map, key);
      close(pidfd);
    }
  }
}
