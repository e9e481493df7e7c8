// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.EntryExistsException;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.KernelPage;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Entries that this process writes into a map of task storage: pointers to its own pages. */
final class UserPointers implements Way {

  /** An address at which no struct begins: a page of the wires would reach into the next one. */
  private static final long NO_PAGE = KernelPage.BYTES - 8L;

  private final Leftovers leftovers;
  private final Kernel kernel;
  private final TaskStorage storage;
  private final KernelMap map;
  private final SharedMap shared;
  private final Wire wire;
  private final long metadata;
  private final int stamp;

  /** The size of the pages in the map's structs, which only matters where threads share pages. */
  private int pageSize = DataPage.SIZE;

  /** Freed by the collector, as closing a shared arena takes a handshake with each thread. */
  private final MemorySegment value;

  /**
   * Makes the way of a map.
   *
   * @param keys what the map is told of
   */
  UserPointers(Registry registry, KernelMap map, Wire wire, SharedMap shared, KeyDirectory keys) {
    this.leftovers = registry.leftovers;
    this.kernel = registry.kernel;
    this.storage = new TaskStorage(kernel);
    this.map = map;
    this.shared = shared;
    this.wire = wire;
    this.metadata = keys.metadata(wire);
    this.stamp = registry.data.stamp();
    this.value = Arena.ofAuto().allocate(wire.valueSize(), Long.BYTES);
  }

  /**
   * Refuses a map into which addresses would be written as numbers.
   *
   * @throws WrongObjectException if the map's values hold no pointers to user memory
   * @throws NotSupportedException if the kernel is too old for such pointers
   */
  void prepare() {
    MapValue.write(value, wire, NO_PAGE, NO_PAGE, stamp);
    value.set(JAVA_LONG, 0, NO_PAGE); // not split into a page and a start
    storage.requireUserPointers(map, value);
  }

  @Override
  public Outcome put(Entry entry) {
    if (entry.record.place.isUnfit()) {
      throw entry.refused(
          "its page lies in memory that is shared, huge or a file's, as malloc gave it",
          "use a key in that thread once more, and it moves to another page; or start java without"
              + " the setting of malloc (GLIBC_TUNABLES, LD_PRELOAD)");
    }
    boolean wasTried = entry.wasTried();
    entry.record.place.give();
    entry.tried(true);
    try {
      return put(entry, shared.takesOver() || leftovers.hasStale(entry))
          ? Outcome.SET
          : Outcome.ENDED;
    } catch (EntryExistsException e) {
      boolean set;
      if (!storage.get(map, entry.task, value)) {
        set = put(entry, false); // its task was ending, with an entry from its time in Java
      } else if (wire == Wire.B ? wasTried : MapValue.hasStamp(value, wire, stamp)) {
        // An earlier attempt may have failed after it had set it. Wire B has no stamp to tell.
        set = put(entry, true);
      } else {
        entry.tried(false);
        throw e;
      }
      return set ? Outcome.SET : Outcome.ENDED;
    } catch (KernelException e) {
      entry.tried(wasTried);
      throw e;
    }
  }

  private boolean put(Entry entry, boolean replace) {
    long page = entry.record.page.address();
    MapValue.write(value, wire, page, metadata, stamp, pageSize);
    if (KernelPage.BYTES == DataPage.SIZE || pageSize != DataPage.SIZE) {
      return storage.put(map, entry.task, value, replace);
    }
    try {
      return storage.put(map, entry.task, value, replace);
    } catch (KernelException e) {
      if (!"EOPNOTSUPP".equals(e.errnoName())) {
        throw e;
      }
      // The program has the kernel's own header, whose structs are as large as the kernel's pages.
      MapValue.write(value, wire, page, metadata, stamp, KernelPage.BYTES);
      boolean set = storage.put(map, entry.task, value, replace);
      pageSize = KernelPage.BYTES;
      return set;
    }
  }

  private boolean isOurs(Entry entry) {
    return storage.get(map, entry.task, value) && MapValue.hasStamp(value, wire, stamp);
  }

  @Override
  public void remove(Entry entry) {
    if (wire == Wire.B || isOurs(entry)) {
      storage.remove(map, entry.task);
    }
  }

  @Override
  public @Nullable KernelException change(Entry entry) {
    boolean there = storage.get(map, entry.task, value);
    boolean ours = there && MapValue.hasStamp(value, wire, stamp);
    if (ours || !kernel.isAlive(entry.task)) {
      return null;
    }
    return there ? TaskStorage.replaced(map, entry.task) : TaskStorage.vanished(map, entry.task);
  }

  @Override
  public void close() {
    map.close();
  }
}
