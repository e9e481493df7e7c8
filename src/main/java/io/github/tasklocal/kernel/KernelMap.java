// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.libbpf.bpf_map_info;
import io.github.tasklocal.libbpf.libbpf_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A descriptor of a BPF map, which this object owns, and what the kernel says about the map. */
public final class KernelMap implements AutoCloseable {

  /** The kernel's number for {@code BPF_MAP_TYPE_TASK_STORAGE}. */
  public static final int TASK_STORAGE = 29;

  /** The kernel's number for {@code BPF_MAP_TYPE_STRUCT_OPS}. */
  public static final int STRUCT_OPS = 26;

  /** The kernel's number for {@code BPF_MAP_TYPE_RINGBUF}. */
  public static final int RING_BUFFER = 27;

  private final int fd;
  private final String description;
  private final int id;
  private final int type;
  private final int keySize;
  private final int valueSize;
  private final int maxEntries;
  private final int flags;
  private final long extra;
  private final String name;
  private final int btfId;
  private final int btfValueType;

  private KernelMap(int fd, String origin, MemorySegment info) {
    this.fd = fd;
    this.id = bpf_map_info.id(info);
    this.type = bpf_map_info.type(info);
    this.keySize = bpf_map_info.key_size(info);
    this.valueSize = bpf_map_info.value_size(info);
    this.maxEntries = bpf_map_info.max_entries(info);
    this.flags = bpf_map_info.map_flags(info);
    this.extra = bpf_map_info.map_extra(info);
    this.name = bpf_map_info.name(info).getString(0);
    this.btfId = bpf_map_info.btf_id(info);
    this.btfValueType = bpf_map_info.btf_value_type_id(info);
    this.description = origin + " (\"" + name + "\", id " + id + ")";
  }

  private KernelMap(int fd, int id, int valueSize, String description) {
    this.fd = fd;
    this.description = description;
    this.id = id;
    this.type = TASK_STORAGE;
    this.keySize = Integer.BYTES;
    this.valueSize = valueSize;
    this.maxEntries = 0;
    this.name = description;
    this.btfId = 0;
    this.btfValueType = 0;
    this.flags = 0;
    this.extra = 0;
  }

  /**
   * {@return a map of task storage that another copy of the library has opened}
   *
   * @param fd its descriptor
   * @param description from {@link #description}
   */
  public static KernelMap known(int fd, int id, int valueSize, String description) {
    return new KernelMap(fd, id, valueSize, description);
  }

  /**
   * Opens a pinned map.
   *
   * @param path the pin
   * @return the open map
   * @throws NotFoundException if there is no such file
   * @throws WrongObjectException if the file is not a pinned map
   * @throws NotPermittedException if the modes of the file or of a folder above forbid it
   * @throws KernelException if libbpf is missing or the kernel refuses
   */
  public static KernelMap open(Path path) {
    String operation = "open map";
    LibBpf.require(operation, path.toString());
    int fd;
    try (Arena arena = Arena.ofConfined()) {
      fd = libbpf_h.bpf_obj_get(arena.allocateFrom(path.toString()));
    }
    if (fd < 0) {
      Pin.explainOpen(operation, path, -fd);
      throw Errno.failure(operation, path.toString(), -fd);
    }
    return take(fd, operation, path.toString());
  }

  /**
   * Duplicates a descriptor that the process holds.
   *
   * @param fd the descriptor, which stays the caller's
   * @return the map, with a descriptor of its own
   * @throws WrongObjectException if the descriptor is not open, or is not that of a map
   * @throws NotPermittedException if it is read-only
   * @throws KernelException if libbpf is missing or the kernel refuses
   */
  public static KernelMap duplicate(int fd) {
    String operation = "open map";
    String subject = "fd " + fd;
    LibBpf.require(operation, subject);
    int copy = Libc.duplicate(fd);
    if (copy == -Errno.EBADF) {
      throw new WrongObjectException(
          operation,
          subject,
          Errno.name(Errno.EBADF),
          "the descriptor is not open",
          "pass the descriptor of a map that is open in this process");
    }
    if (copy < 0) {
      throw Errno.failure(operation, subject, -copy);
    }
    KernelMap map = take(copy, operation, subject);
    boolean isDone = false;
    try {
      if (Libc.isReadOnly(copy)) {
        throw new NotPermittedException(
            operation,
            subject,
            null,
            "the descriptor is read-only",
            "open the map for reading and writing: entries are written into it");
      }
      isDone = true;
      return map;
    } finally {
      if (!isDone) {
        map.close();
      }
    }
  }

  /** Takes a descriptor over; closes it if it is not that of a map. */
  private static KernelMap take(int fd, String operation, String subject) {
    boolean kept = false;
    try (Arena arena = Arena.ofConfined()) {
      String kind = kind(fd);
      if (!kind.equals("BPF map")) {
        throw new WrongObjectException(
            operation,
            subject,
            null,
            "it is a " + kind + ", not a map",
            "name a map of task storage, such as task_local_data_map");
      }
      MemorySegment info = bpf_map_info.allocate(arena);
      MemorySegment size = arena.allocateFrom(JAVA_INT, (int) bpf_map_info.sizeof());
      int error = libbpf_h.bpf_obj_get_info_by_fd(fd, info, size);
      if (error < 0) {
        throw Errno.failure(operation, subject, -error);
      }
      KernelMap map = new KernelMap(fd, subject, info);
      kept = true;
      return map;
    } finally {
      if (!kept) {
        Libc.close(fd);
      }
    }
  }

  /** {@return what a descriptor is: a BPF map, program, link, or another file} */
  private static String kind(int fd) {
    String target;
    try {
      target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd)).toString();
    } catch (IOException e) {
      return "BPF map"; // no procfs: let the kernel's own answer decide
    }
    return switch (target) {
      case "anon_inode:bpf-map" -> "BPF map";
      case "anon_inode:bpf-prog" -> "BPF program";
      case "anon_inode:bpf_link", "anon_inode:bpf-link" -> "BPF link";
      default -> target.startsWith("anon_inode:") ? target.substring(11) : "file (" + target + ")";
    };
  }

  /** {@return the descriptor} */
  public int fd() {
    return fd;
  }

  /** {@return the map's id, which the kernel gives to no other map while this one exists} */
  public int id() {
    return id;
  }

  /** {@return the map's type, such as {@link #TASK_STORAGE}} */
  public int type() {
    return type;
  }

  /** {@return the size of the map's keys in bytes} */
  public int keySize() {
    return keySize;
  }

  /** {@return how many entries the map can hold} */
  public int maxEntries() {
    return maxEntries;
  }

  /**
   * {@return the flags with which the map was made, and those that the kernel has added: {@code
   * BPF_F_RDONLY_PROG} for each map of devices (kernel/bpf/devmap.c)}
   */
  int flags() {
    return flags;
  }

  /** {@return what maps of some types are made with besides, such as a bloom filter's hashes} */
  long extra() {
    return extra;
  }

  /** {@return the size of the map's values in bytes} */
  public int valueSize() {
    return valueSize;
  }

  /** {@return the map's name, which the kernel cuts after 15 bytes} */
  public String name() {
    return name;
  }

  /**
   * {@return the name of the struct type of the values, or null if this process may not read it
   * (that takes CAP_SYS_ADMIN) or the map has none}
   */
  public @Nullable String valueType() {
    return btfId == 0 || btfValueType == 0 ? null : Btf.kernelTypeName(btfId, btfValueType);
  }

  @Override
  public void close() {
    Libc.close(fd);
  }

  /** {@return where it was found, its name and its id, for messages that already say "map"} */
  public String description() {
    return description;
  }

  @Override
  public String toString() {
    return "map " + description();
  }
}
