// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * Maps by their descriptors, which the library's own objects do not give: arrays that are made one
 * by one, and entries of tasks. Results are negative errnos where a call failed.
 */
@SuppressWarnings("restricted")
public final class RawMaps {

  public static final int PAGES = 64;
  public static final int PAGE = 4096;

  private static final int BPF_MAP_TYPE_ARRAY = 2;
  private static final int BPF_F_MMAPABLE = 1 << 10;
  private static final int READ_WRITE = 3;
  private static final int MAP_SHARED = 1;

  private static final MethodHandle CREATE =
      Calls.libbpf(
          "bpf_map_create", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle PIN = Calls.libbpf("bpf_obj_pin", JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle GET = Calls.libbpf("bpf_obj_get", JAVA_INT, ADDRESS);
  private static final MethodHandle UPDATE =
      Calls.libbpf("bpf_map_update_elem", JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG);
  private static final MethodHandle UPDATE_BATCH =
      Calls.libbpf("bpf_map_update_batch", JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
  private static final MethodHandle LOOK_UP =
      Calls.libbpf("bpf_map_lookup_elem", JAVA_INT, JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle DELETE =
      Calls.libbpf("bpf_map_delete_elem", JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle MMAP =
      Calls.libc("mmap", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
  private static final MethodHandle MUNMAP = Calls.libc("munmap", JAVA_INT, JAVA_LONG, JAVA_LONG);

  private RawMaps() {}

  /** {@return a new array of pages, which processes can map} */
  public static int createArray() {
    try (Arena arena = Arena.ofConfined()) {
      // struct bpf_map_create_opts: its size, and map_flags at 28.
      MemorySegment options = arena.allocate(48, 8);
      options.set(JAVA_LONG, 0, 48);
      options.set(JAVA_INT, 28, BPF_F_MMAPABLE);
      return (int)
          CREATE.invokeExact(
              BPF_MAP_TYPE_ARRAY, arena.allocateFrom("tld_pages"), 4, PAGE, PAGES, options);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** Pins a map, or what else a descriptor of BPF stands for. */
  public static int pin(int descriptor, Path path) {
    try (Arena arena = Arena.ofConfined()) {
      return (int) PIN.invokeExact(descriptor, arena.allocateFrom(path.toString()));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return a descriptor of what is pinned at a path} */
  public static int get(Path path) {
    try (Arena arena = Arena.ofConfined()) {
      return (int) GET.invokeExact(arena.allocateFrom(path.toString()));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** Sets an element. */
  public static int update(int map, MemorySegment key, MemorySegment value) {
    try {
      return (int) UPDATE.invokeExact(map, key, value, 0L);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /**
   * {@return how many elements it has set, from the first on} Fewer than all where the kernel does
   * not take several at once for such a map, or refuses one.
   */
  public static int update(int map, int[] keys, int[] values) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocateFrom(JAVA_INT, keys.length);
      int status =
          (int)
              UPDATE_BATCH.invokeExact(
                  map,
                  arena.allocateFrom(JAVA_INT, keys),
                  arena.allocateFrom(JAVA_INT, values),
                  count,
                  MemorySegment.NULL);
      int done = count.get(JAVA_INT, 0);
      // It is left alone where there is no such call for the map.
      return status == 0 || done < keys.length ? done : 0;
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** Reads an element. */
  public static int lookUp(int map, MemorySegment key, MemorySegment value) {
    try {
      return (int) LOOK_UP.invokeExact(map, key, value);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** Removes an element. */
  public static int delete(int map, MemorySegment key) {
    try {
      return (int) DELETE.invokeExact(map, key);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return the address at which an array's pages are in this process from now on} */
  public static long map(int array) {
    try {
      return Calls.checked(
          (long)
              MMAP.invokeExact(
                  Calls.state(), 0L, (long) PAGES * PAGE, READ_WRITE, MAP_SHARED, array, 0L));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** Ends what {@link #map} began. */
  public static void unmap(long address) {
    try {
      int ignored = (int) MUNMAP.invokeExact(Calls.state(), address, (long) PAGES * PAGE);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }
}
