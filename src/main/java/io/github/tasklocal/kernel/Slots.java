// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.libbpf.libbpf_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;

/**
 * The maps through which BPF programs read values where the kernel has no uptrs. All programs of a
 * machine and its serving side share them: our header declares that they are pinned by their names.
 */
public final class Slots {

  private static final Path FOLDER = Path.of("/sys/fs/bpf");
  private static final Set<String> MAPS = Set.of("tld_arrays", "tld_slot_map");

  private static final Path TYPES = Path.of("/sys/kernel/btf/vmlinux");

  private static final class Uptr {
    static final boolean EXISTS = look();

    private static boolean look() {
      try {
        // Enumerators' names, as all names there, end in NUL; Latin-1 has any byte.
        return Files.readString(TYPES, StandardCharsets.ISO_8859_1).contains("\0BPF_UPTR\0");
      } catch (IOException e) {
        return true; // without types nothing is loaded that would ask
      }
    }
  }

  private Slots() {}

  /** {@return whether programs read slots on this kernel, as it has no uptrs} */
  public static boolean areNeeded() {
    return !Uptr.EXISTS;
  }

  /** {@return whether a map of this name is one of those that programs share} */
  public static boolean isShared(String map) {
    return MAPS.contains(map);
  }

  /**
   * Has loading take over the map that is pinned for all, or make and pin it.
   *
   * @throws NotFoundException if there is no such folder
   * @throws WrongObjectException if no bpffs is there
   * @throws KernelException if libbpf refuses
   */
  public static void share(MemorySegment map) {
    String name = LibBpf.mapName(map);
    Path path = FOLDER.resolve(name);
    Pin.requirePlace("pin map " + name + " at", path);
    try (Arena arena = Arena.ofConfined()) {
      int error = libbpf_h.bpf_map__set_pin_path(map, arena.allocateFrom(path.toString()));
      if (error < 0) {
        throw Errno.failure("set pin path of map", name, -error);
      }
    }
  }
}
