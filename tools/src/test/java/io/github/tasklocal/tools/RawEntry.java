// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The calling thread's entry in a map, made without the library: for pages with any content. A
 * thread has either such an entry or one of the library's. Offsets are those of docs/wires.md, as
 * another library would write them, so that they check those of {@code layout}.
 */
@SuppressWarnings("restricted")
final class RawEntry {

  private static final int PAGE = 4096;
  private static final int ENTRY = 64;
  private static final int NAME = 62;
  private static final int PIDFD_THREAD = 0200;
  private static final int PIDFD_OPEN = 434;

  /** Never freed: the kernel holds it for a while after the entry is gone. */
  private static final Arena ARENA = Arena.global();

  private final Wire wire;
  private final MemorySegment pages = ARENA.allocate(3 * PAGE, PAGE);

  /** Makes zeroed pages for the calling thread; {@link #enter} shows them. */
  RawEntry(Wire wire) {
    this.wire = wire;
  }

  MemorySegment data() {
    return pages.asSlice(0, PAGE);
  }

  MemorySegment more() {
    return pages.asSlice(PAGE, PAGE);
  }

  MemorySegment keys() {
    return pages.asSlice(2 * PAGE, PAGE);
  }

  /**
   * Writes a key after the others.
   *
   * @param index how many there are
   * @param sizeOrOffset its offset on wire A, its size on the others
   */
  void key(int index, String name, int sizeOrOffset) {
    int at = (wire == Wire.A ? 0 : 4) + index * ENTRY;
    keys().set(JAVA_SHORT, at + NAME, (short) sizeOrOffset);
    keys().setString(at, name);
    if (wire != Wire.A) {
      count(index + 1);
    }
  }

  /** Sets how many keys the page has, on wires B and C. */
  void count(int keys) {
    keys().set(JAVA_SHORT, 0, (short) keys);
  }

  /** Sets how many bytes the process reserved for values, on wires B and C. */
  void reserved(int bytes) {
    keys().set(JAVA_SHORT, 2, (short) bytes);
  }

  /** Registers the calling thread with a map, or changes its entry. */
  void enter(int map, boolean withData, boolean withKeys, int count, int start) {
    MemorySegment value = ARENA.allocate(wire.valueSize(), 8);
    long data = withData ? data().address() : 0;
    long keys = withKeys ? keys().address() : 0;
    value.set(JAVA_LONG, 0, data);
    switch (wire) {
      case A -> {
        value.set(JAVA_LONG, 8, withData ? more().address() : 0);
        value.set(JAVA_LONG, 16, keys);
        value.set(JAVA_SHORT, 24, (short) count);
        value.set(JAVA_SHORT, 26, (short) start);
      }
      case B -> {
        value.set(JAVA_LONG, 8, keys);
        data().set(JAVA_LONG, 0, start);
      }
      case C -> {
        value.set(JAVA_LONG, 8, keys);
        value.set(JAVA_SHORT, 16, (short) start);
      }
    }
    Linker linker = Linker.nativeLinker();
    try {
      int pidfd =
          (int)
              (long)
                  linker
                      .downcallHandle(
                          linker.defaultLookup().find("syscall").orElseThrow(),
                          FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
                          Linker.Option.firstVariadicArg(1))
                      .invokeExact((long) PIDFD_OPEN, (long) tid(), (long) PIDFD_THREAD);
      MemorySegment key = ARENA.allocateFrom(JAVA_INT, pidfd);
      int error =
          (int)
              linker
                  .downcallHandle(
                      SymbolLookup.libraryLookup("libbpf.so.1", ARENA)
                          .find("bpf_map_update_elem")
                          .orElseThrow(),
                      FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG))
                  .invokeExact(map, key, value, 0L);
      int ignored =
          (int)
              linker
                  .downcallHandle(
                      linker.defaultLookup().find("close").orElseThrow(),
                      FunctionDescriptor.of(JAVA_INT, JAVA_INT))
                  .invokeExact(pidfd);
      if (error != 0) {
        throw new AssertionError("no entry for the thread: " + error);
      }
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** {@return the kernel's id of the calling thread} */
  static int tid() throws IOException {
    return Integer.parseInt(
        Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString());
  }
}
