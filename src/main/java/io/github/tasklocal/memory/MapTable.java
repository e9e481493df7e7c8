// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.layout.KeyDirectory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The maps that the process has open, whichever copy of the library has opened them. Under the
 * registry's lock, except {@link #all}.
 */
final class MapTable {

  private final Registry registry;
  private final SharedData data;
  private final KeyDirectory keys;

  /** How many times this copy of the library has each map open. */
  private final int[] uses;

  /** Never changed in place. */
  private volatile OpenMap[] open = {};

  /** The {@link SharedData#mapsChanged} of {@link #open}. */
  private long known;

  MapTable(Registry registry, KeyDirectory keys, int[] uses) {
    this.registry = registry;
    this.data = registry.data;
    this.keys = keys;
    this.uses = uses;
  }

  /** Learns of the maps that other copies of the library have opened or closed. */
  void catchUp() {
    if (data.mapsChanged() == known) {
      return;
    }
    List<OpenMap> now = new ArrayList<>();
    for (int i = 0; i < SharedData.MAPS; i++) {
      OpenMap each = at(i);
      if (each != null && each.shared.users() > 0) {
        now.add(each);
      }
    }
    open = now.toArray(new OpenMap[0]);
    known = data.mapsChanged();
  }

  /** {@return the open maps, not to be changed} */
  OpenMap[] all() {
    return open;
  }

  /** {@return the map with a number, which may be unused; or null} */
  private @Nullable OpenMap at(int number) {
    Object shared = data.maps[number];
    for (OpenMap each : open) {
      if (each.shared.is(shared)) {
        return each;
      }
    }
    return shared == null ? null : OpenMap.known(registry, new SharedMap(number, shared), keys);
  }

  /** Makes a thread's entries, also in maps that are being closed. */
  void know(ThreadRecord record) {
    for (int i = 0; i < SharedData.MAPS; i++) {
      OpenMap map = record.place.mayHaveEntry(i) ? at(i) : null;
      if (map != null) {
        Entry ignored = record.knownEntry(map);
      }
    }
  }

  /** {@return the open map with the kernel's id, or null} */
  @Nullable OpenMap find(int id) {
    for (OpenMap each : open) {
      if (each.id() == id) {
        return each;
      }
    }
    return null;
  }

  /** {@return a map that is left open by copies of the library that are gone, or null} */
  @Nullable OpenMap unused() {
    for (int i = 0; i < SharedData.MAPS; i++) {
      OpenMap each = at(i);
      if (each != null && each.shared.users() <= 0) {
        return each;
      }
    }
    return null;
  }

  /**
   * {@return a number for a map that will be opened}
   *
   * @param map names it in messages
   * @throws NotSupportedException if all are taken
   */
  int free(String map) {
    for (int i = 0; i < SharedData.MAPS; i++) {
      if (data.maps[i] == null) {
        return i;
      }
    }
    throw new NotSupportedException(
        "open",
        map,
        null,
        "the process has " + SharedData.MAPS + " maps open, which is the most",
        "close one of them first");
  }

  /** Counts that this copy of the library has a map open once more, or once less. */
  void use(OpenMap map, int more) {
    map.shared.use(more);
    uses[map.shared.number] += more;
    data.changeMaps();
  }

  /** {@return whether this copy of the library has a map open} */
  boolean uses(OpenMap map) {
    return uses[map.shared.number] > 0;
  }

  /** {@return whether this copy of the library has any map open} */
  boolean usesAny() {
    for (int each : uses) {
      if (each > 0) {
        return true;
      }
    }
    return false;
  }

  /** Opens a map for all copies; used once, by this one. */
  void add(OpenMap map) {
    OpenMap[] more = Arrays.copyOf(open, open.length + 1);
    more[open.length] = map;
    Object shared = map.shared.data();
    data.maps[map.shared.number] = shared;
    open = more;
    use(map, 1);
    known = data.mapsChanged();
  }

  /** {@return the open maps without one} */
  OpenMap[] without(OpenMap map) {
    List<OpenMap> fewer = new ArrayList<>();
    for (OpenMap each : open) {
      if (each != map) {
        fewer.add(each);
      }
    }
    return fewer.toArray(new OpenMap[0]);
  }

  /** No thread is registered any more with a map that nobody uses. Cannot fail. */
  void hide(OpenMap[] fewer) {
    open = fewer;
    data.changeMaps();
    known = data.mapsChanged();
  }

  /** The map's number is free again. Cannot fail. */
  void remove(OpenMap map) {
    data.maps[map.shared.number] = null;
  }
}
