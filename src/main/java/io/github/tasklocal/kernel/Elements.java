// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.libbpf.libbpf_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The elements of a loaded map. Segments of the caller's may lie on the heap. */
@SuppressWarnings("restricted")
public final class Elements {

  /**
   * BPF_MAP_TYPE_PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH and PERCPU_CGROUP_STORAGE, the types of
   * which the kernel copies a value for each possible CPU (bpf_map_value_size in
   * kernel/bpf/syscall.c).
   */
  private static final Set<Integer> PER_CPU = Set.of(5, 6, 10, 21);

  /** How often a walk over the keys may begin anew, as the key that it had reached was deleted. */
  private static final int RESTARTS = 1000;

  /**
   * Types whose keys and values the kernel looks into, and refuses with EINVAL as well: those of
   * programs, maps, devices and sockets, and tries, whose keys have a length.
   */
  private static final Set<Integer> JUDGES_CONTENTS = Set.of(3, 11, 12, 13, 14, 15, 16, 17, 18, 25);

  private Elements() {}

  /** {@return how many bytes an element's value has, for a map per CPU those of all of them} */
  public static long size(MemorySegment map) {
    long size = LibBpf.valueSize(map);
    if (!PER_CPU.contains(LibBpf.mapType(map))) {
      return size;
    }
    int cpus = libbpf_h.libbpf_num_possible_cpus();
    if (cpus < 0) {
      throw Errno.failure("count the possible CPUs for map", LibBpf.mapName(map), -cpus);
    }
    return (size + 7 & -8) * cpus;
  }

  /**
   * {@return a copy of an element's value, on the heap and aligned to 8 bytes; or null if there is
   * no such element}
   *
   * @throws WrongObjectException if maps of its type cannot be read so
   * @throws KernelException if the kernel refuses
   */
  public static @Nullable MemorySegment get(MemorySegment map, MemorySegment key) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(size(map), Long.BYTES);
      int error =
          libbpf_h.bpf_map_lookup_elem(LibBpf.mapFd(map), copy(checked(map, key), arena), value);
      if (error == -Errno.ENOENT) {
        return null;
      }
      if (error < 0) {
        throw failure("get element of map", map, -error);
      }
      return onHeap(value);
    }
  }

  /**
   * Sets an element's value.
   *
   * @param absent whether only if there is no such element yet
   * @return false if there is one, although it should be absent
   * @throws WrongObjectException if maps of its type cannot be written so
   * @throws KernelException if the map is full, or the kernel refuses
   */
  public static boolean put(
      MemorySegment map, MemorySegment key, MemorySegment value, boolean absent) {
    long size = size(map);
    if (value.byteSize() != size) {
      throw new IllegalArgumentException(
          "the value has %d bytes, an element of map %s %d"
              .formatted(value.byteSize(), LibBpf.mapName(map), size));
    }
    String operation = "put element into map";
    try (Arena arena = Arena.ofConfined()) {
      int error =
          libbpf_h.bpf_map_update_elem(
              LibBpf.mapFd(map),
              copy(checked(map, key), arena),
              copy(value, arena),
              absent ? libbpf_h.BPF_NOEXIST() : libbpf_h.BPF_ANY());
      if (error == -Errno.EEXIST && absent) {
        return false;
      }
      if (error == -Errno.E2BIG) {
        throw new KernelException(
            operation,
            LibBpf.mapName(map),
            Errno.name(-error),
            "it holds %d elements at most: it is full, or an index is beyond its end"
                .formatted(LibBpf.maxEntries(map)),
            "remove elements, or set maxEntries before the load");
      }
      if (error < 0) {
        throw failure(operation, map, -error);
      }
      return true;
    }
  }

  /**
   * Removes an element.
   *
   * @return false if there was none
   * @throws WrongObjectException if elements of maps of its type cannot be removed
   * @throws KernelException if the kernel refuses
   */
  public static boolean remove(MemorySegment map, MemorySegment key) {
    try (Arena arena = Arena.ofConfined()) {
      int error = libbpf_h.bpf_map_delete_elem(LibBpf.mapFd(map), copy(checked(map, key), arena));
      if (error < 0 && error != -Errno.ENOENT) {
        throw failure("remove element of map", map, -error);
      }
      return error == 0;
    }
  }

  /**
   * {@return the keys of the elements, each once, on the heap and aligned to 8 bytes}
   *
   * @throws WrongObjectException if the keys of maps of its type cannot be listed
   * @throws KernelException if the kernel refuses, or keys are deleted faster than they are listed
   */
  public static List<MemorySegment> keys(MemorySegment map) {
    int fd = LibBpf.mapFd(map);
    Set<ByteBuffer> keys = new LinkedHashSet<>();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment key = arena.allocate(Math.max(1, LibBpf.keySize(map)), Long.BYTES);
      MemorySegment next = arena.allocate(key.byteSize(), Long.BYTES);
      int repeated = 0;
      int error = libbpf_h.bpf_map_get_next_key(fd, MemorySegment.NULL, next);
      while (error == 0) {
        // After a key that is gone the kernel begins anew (htab_map_get_next_key).
        boolean isNew = keys.add(ByteBuffer.wrap(next.toArray(JAVA_BYTE)));
        if (!isNew && ++repeated > RESTARTS + RESTARTS * keys.size()) {
          throw new KernelException(
              "list keys of map",
              LibBpf.mapName(map),
              null,
              "they are deleted faster than they can be listed",
              "walk over the map by a program of SEC(\"iter/bpf_map_elem\")");
        }
        MemorySegment ignored = key.copyFrom(next);
        error = libbpf_h.bpf_map_get_next_key(fd, key, next);
      }
      if (error != -Errno.ENOENT) {
        throw failure("list keys of map", map, -error);
      }
    }
    return keys.stream().map(key -> onHeap(MemorySegment.ofBuffer(key))).toList();
  }

  private static MemorySegment checked(MemorySegment map, MemorySegment key) {
    if (key.byteSize() != LibBpf.keySize(map)) {
      throw new IllegalArgumentException(
          "the key has %d bytes, those of map %s have %d"
              .formatted(key.byteSize(), LibBpf.mapName(map), LibBpf.keySize(map)));
    }
    return key;
  }

  /** {@return native memory, which the kernel can read; for nothing, as a queue's key, NULL} */
  private static MemorySegment copy(MemorySegment bytes, Arena arena) {
    return bytes.byteSize() == 0
        ? MemorySegment.NULL
        : arena.allocate(bytes.byteSize(), Long.BYTES).copyFrom(bytes);
  }

  private static MemorySegment onHeap(MemorySegment bytes) {
    long[] words = new long[Math.toIntExact((bytes.byteSize() + 7) / Long.BYTES)];
    return MemorySegment.ofArray(words).asSlice(0, bytes.byteSize()).copyFrom(bytes);
  }

  private static KernelException failure(String operation, MemorySegment map, int errno) {
    String name = LibBpf.mapName(map);
    return switch (errno) {
      case Errno.EINVAL, Errno.EOPNOTSUPP, Errno.ENOTSUPP -> {
        if (errno == Errno.EINVAL && JUDGES_CONTENTS.contains(LibBpf.mapType(map))) {
          yield Errno.failure(operation, name, errno);
        }
        yield new WrongObjectException(
            operation,
            name,
            Errno.name(errno),
            "the kernel does not do that with maps of its type, " + LibBpf.mapType(map),
            "elements of hash tables can be read and changed, those of arrays not removed");
      }
      case Errno.EPERM -> {
        if (isReadOnly(LibBpf.mapFd(map))) {
          yield new WrongObjectException(
              operation,
              name,
              Errno.name(errno),
              "processes may not write it",
              "it is frozen, as .rodata is once it is loaded, or declared with BPF_F_RDONLY");
        }
        yield Errno.failure(operation, name, errno);
      }
      default -> Errno.failure(operation, name, errno);
    };
  }

  /** {@return whether a map is frozen or was made read-only for processes} */
  private static boolean isReadOnly(int fd) {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/fdinfo/" + fd))) {
        if (line.startsWith("frozen:") && line.endsWith("1")) {
          return true;
        }
      }
      return Libc.isReadOnly(fd);
    } catch (IOException e) {
      return false; // no procfs
    }
  }
}
