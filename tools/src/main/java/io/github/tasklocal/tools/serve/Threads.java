// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.kit.Kernel;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Pidfds;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How threads are registered on the running kernel: with pointers to their pages where it has
 * uptrs, otherwise with slots; by pidfds of threads where it has those, otherwise by a call.
 *
 * @param maps where entries are set from here; without any where threads do it themselves
 * @param slots where values are in slots; null where they are behind pointers
 * @param registration how
 */
record Threads(ServedMaps maps, @Nullable SlotTables slots, Registration registration)
    implements AutoCloseable {

  /**
   * Finds out how, and prepares it.
   *
   * @param others pins of more maps with pointers
   * @param onSlots whether to use slots although there are uptrs
   * @param othersOnly whether to serve no maps besides those, where there are uptrs
   */
  static Threads open(PinFolder pins, List<Path> others, boolean onSlots, boolean othersOnly)
      throws Failure, IOException {
    boolean pidfds = SlotTables.ONLY.isEmpty() && hasPidfds();
    ServedMaps maps = new ServedMaps();
    SlotTables slots = null;
    boolean done = false;
    try {
      if (hasUptrs() && !onSlots) {
        if (!othersOnly) {
          maps.serve(pins, pins.byName(Wire.A.mapName()), Wire.A);
          maps.serve(pins, pins.known(Wire.C.mapName()), Wire.C);
        }
        others.forEach(maps::join);
      } else {
        if (!others.isEmpty()) {
          throw new Failure(
              onSlots
                  ? "values are in slots, which a map of --map cannot have"
                  : "this kernel (" + Kernel.version() + ") has no uptr, which --map needs",
              "compile the program with this project's header, which needs no --map");
        }
        slots = SlotTables.open(pins, !pidfds);
        if (pidfds) {
          maps.serveSlots(pins.byName("tld_slot_map"));
        }
      }
      Threads threads =
          new Threads(
              maps, slots, slots != null && !pidfds ? new ByCall(slots) : new ByPidfd(maps, slots));
      done = true;
      return threads;
    } finally {
      if (!done) {
        maps.close();
        if (slots != null) {
          slots.close();
        }
      }
    }
  }

  private static boolean hasUptrs() {
    Kernel.Names names = Kernel.names();
    return names != null ? names.containsUptr() : Kernel.isLinux(6, 13);
  }

  private static boolean hasPidfds() {
    int pidfd = Pidfds.ofThread((int) ProcessHandle.current().pid());
    if (pidfd >= 0) {
      Native.close(pidfd);
    }
    return pidfd >= 0;
  }

  /** {@return how, in words} */
  String words() {
    return slots == null || slots.hook().isEmpty()
        ? "threads are registered by pidfds with " + String.join(", ", maps.names())
        : "threads register themselves by prctl (" + slots.hook() + ")";
  }

  @Override
  public void close() {
    maps.close();
    if (slots != null) {
      slots.close();
    }
  }
}
