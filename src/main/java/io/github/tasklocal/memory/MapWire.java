// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Wire;
import org.jspecify.annotations.Nullable;

/** Which wire a map has. */
public final class MapWire {

  private MapWire() {}

  /**
   * Finds out a map's wire from its type, the size of its values and the name of their BTF type.
   *
   * @param map what was opened
   * @param named the wire that the caller names, or null
   * @return the wire
   * @throws WrongObjectException if the map is not a map of task local data, or not of the named
   *     wire
   * @throws NotPermittedException if this process has no right to find out the wire, and the caller
   *     named none
   */
  public static Wire of(KernelMap map, @Nullable Wire named) {
    String subject = map.description();
    return of(subject, map.type(), map.valueSize(), map.name(), named, map.valueType());
  }

  /**
   * Refuses a wire that has a page for each thread where threads share pages.
   *
   * @param slotBytes how much each thread has
   * @throws NotSupportedException if that is so
   */
  static void requireFits(KernelMap map, Wire wire, int slotBytes) {
    if (wire == Wire.B && slotBytes < DataPage.SIZE) {
      throw new NotSupportedException(
          "open",
          map.toString(),
          null,
          "threads share pages (-D%s=%d), and its wire, B, has a page for each thread"
              .formatted(SlotSize.PROPERTY, slotBytes),
          "start java without -D" + SlotSize.PROPERTY + ", or use a BPF program of wire A or C");
    }
  }

  static Wire of(
      String subject,
      int type,
      int valueSize,
      String name,
      @Nullable Wire named,
      @Nullable String valueType) {
    String struct =
        valueType == null
            ? ""
            : valueType.isEmpty() ? " (no struct)" : " (struct " + valueType + ")";
    String found = "it has type " + type + ", values of " + valueSize + " bytes" + struct;
    if (type != KernelMap.TASK_STORAGE) {
      throw wrong(subject, found + ", no task storage (type " + KernelMap.TASK_STORAGE + ")");
    }
    Wire bySize = null;
    for (Wire wire : Wire.values()) {
      if (wire.valueSize() == valueSize) {
        bySize = wire;
      }
    }
    if (bySize == null) {
      throw wrong(subject, found + "; wires A, B and C have 32, 16 and 24");
    }
    if (named != null && named != bySize) {
      throw wrong(subject, found + "; wire " + named + " has " + named.valueSize());
    }
    if (valueType != null) {
      if (!valueType.equals(bySize.valueType())) {
        throw wrong(subject, found + "; wire " + bySize + " has struct " + bySize.valueType());
      }
      return bySize;
    }
    if (named != null || (bySize != Wire.A && name.equals(bySize.mapName()))) {
      return bySize;
    }
    throw new NotPermittedException(
        "open map",
        subject,
        null,
        found + ", and without CAP_SYS_ADMIN its BTF cannot be read, so that the wire is not known",
        "name it: start java with -Dtasklocal.map.wire=%s if -Dtasklocal.map names the map, or call TaskLocalMap.open(path, Wire.%s)"
            .formatted(bySize, bySize));
  }

  private static WrongObjectException wrong(String subject, String found) {
    return new WrongObjectException(
        "open map",
        subject,
        null,
        found,
        "open the map task_local_data_map or tld_data_map of a BPF program that reads task local"
            + " data");
  }
}
