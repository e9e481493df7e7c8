// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * Does what {@link StartUpLibrary} does, but calls libbpf and libc itself: for one thread, one key
 * and one wire, with errors that only say which call failed.
 */
final class StartUpByHand {

  private static final int PAGE = 4096;
  private static final int TASK_STORAGE = 29;
  private static final int MAP_VALUE = 32;
  private static final int NAME_BYTES = 62;
  private static final int BPF_NOEXIST = 1;
  private static final long SYS_GETTID = 186; // of x86-64
  private static final long SYS_PIDFD_OPEN = 434;
  private static final long PIDFD_THREAD = 128;

  private StartUpByHand() {}

  /**
   * Shows the value.
   *
   * @param args the map's pin
   */
  public static void main(String[] args) throws Throwable {
    Linker linker = Linker.nativeLinker();
    SymbolLookup libbpf = SymbolLookup.libraryLookup("libbpf.so.1", Arena.global());
    SymbolLookup libc = linker.defaultLookup();
    // Functions of libbpf 1.x return a negative errno; syscall leaves it in errno.
    MethodHandle objGet =
        linker.downcallHandle(
            libbpf.find("bpf_obj_get").orElseThrow(), FunctionDescriptor.of(JAVA_INT, ADDRESS));
    MethodHandle info =
        linker.downcallHandle(
            libbpf.find("bpf_obj_get_info_by_fd").orElseThrow(),
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS));
    MethodHandle update =
        linker.downcallHandle(
            libbpf.find("bpf_map_update_elem").orElseThrow(),
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG));
    MethodHandle syscall =
        linker.downcallHandle(
            libc.find("syscall").orElseThrow(),
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
            Linker.Option.firstVariadicArg(1),
            Linker.Option.captureCallState("errno"));
    MethodHandle close =
        linker.downcallHandle(
            libc.find("close").orElseThrow(), FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    MemorySegment pages = Arena.global().allocate(2 * PAGE, PAGE);
    MemorySegment values = pages.asSlice(0, PAGE);
    MemorySegment keys = pages.asSlice(PAGE, PAGE);
    keys.setString(0, "priority");
    keys.set(JAVA_SHORT, NAME_BYTES, (short) 8);

    try (Arena arena = Arena.ofConfined()) {
      int map = check("bpf_obj_get", (int) objGet.invokeExact(arena.allocateFrom(args[0])));
      MemorySegment of = arena.allocate(88, 8);
      int error =
          (int) info.invokeExact(map, of, arena.allocateFrom(JAVA_INT, (int) of.byteSize()));
      check("bpf_obj_get_info_by_fd", error);
      if (of.get(JAVA_INT, 0) != TASK_STORAGE || of.get(JAVA_INT, 12) != MAP_VALUE) {
        throw new IllegalStateException("not a map of task local data");
      }

      MemorySegment errno = arena.allocate(Linker.Option.captureStateLayout());
      long tid = (long) syscall.invokeExact(errno, SYS_GETTID, 0L, 0L);
      long pidfd = (long) syscall.invokeExact(errno, SYS_PIDFD_OPEN, tid, PIDFD_THREAD);
      if (pidfd < 0) {
        throw new IllegalStateException("pidfd_open: errno " + errno.get(JAVA_INT, 0));
      }
      MemorySegment value = arena.allocate(MAP_VALUE, 8);
      value.set(JAVA_LONG, 0, values.address());
      value.set(JAVA_LONG, 16, keys.address());
      value.set(JAVA_SHORT, 24, (short) 1);
      MemorySegment key = arena.allocateFrom(JAVA_INT, (int) pidfd);
      check("bpf_map_update_elem", (int) update.invokeExact(map, key, value, (long) BPF_NOEXIST));
      check("close", (int) close.invokeExact((int) pidfd));
    }
    values.set(JAVA_INT, 8, 7);
    Thread.yield(); // a system call, at which the BPF program looks
  }

  private static int check(String call, int result) {
    if (result < 0) {
      throw new IllegalStateException(call + ": errno " + -result);
    }
    return result;
  }
}
