// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.StackSpace;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Walk.Work;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The maps that are open. Each thread is registered with each of them exactly once, by its record:
 * a map is published first, and then the threads that exist are registered one at a time, each
 * under the registry's lock; later ones register themselves at their first use of a key. So a first
 * use never waits for more than one registration.
 */
public final class Maps {

  private final Registry registry;
  private final SharedData data;
  private final KeyDirectory keys;
  private final Keeper keeper = new Keeper(this);
  private final MapTable table;
  private final Walk walk;
  private final Registrations registrations;
  private final SocketMaps sockets;

  Maps(Registry registry, KeyDirectory keys, int[] uses) {
    this.registry = registry;
    this.data = registry.data;
    this.keys = keys;
    this.table = new MapTable(registry, keys, uses);
    this.walk = new Walk(registry);
    this.registrations = new Registrations(registry);
    this.sockets = new SocketMaps(registry, keys, this, table, walk);
  }

  /**
   * Opens a map for all threads that have a page or will have one. The caller then calls {@link
   * #keep} and {@link OpenMap#log}, under no lock; the latter also after {@link #close} and {@link
   * #takeOver}.
   *
   * @param map the map, which is owned by this class from here on, even if this fails
   * @param wire the map's wire
   * @param takeOver whether entries that somebody else made are replaced
   * @return the open map; the one that is open already if the process has this map open
   * @throws WrongObjectException if the map's values hold no pointers to user memory
   * @throws NotSupportedException if the kernel is too old for such pointers, or if threads share
   *     pages and the wire is B
   * @throws KernelException if the kernel refuses
   */
  public OpenMap open(KernelMap map, Wire wire, boolean takeOver) {
    boolean isOpen = false;
    try (Pinned _ = pinned()) {
      synchronized (data.opening) {
        closeUnused();
        OpenMap before;
        synchronized (registry.lock) {
          registry.catchUp();
          before = table.find(map.id());
        }
        if (before != null) {
          if (takeOver) {
            takeOver(before, true);
          }
          synchronized (registry.lock) {
            table.use(before, 1);
          }
          return before; // has a descriptor of its own
        }
        OpenMap fresh = prepared(map, wire);
        fresh.shared.takeOver(takeOver);
        synchronized (registry.lock) {
          registry.catchUp();
          registry.threads.ends.releaseSomeEnded();
          table.add(fresh);
          isOpen = true;
        }
        registerAll(fresh);
        return fresh;
      }
    } finally {
      if (!isOpen) {
        map.close();
      }
    }
  }

  private static Pinned pinned() {
    StackSpace.require();
    return Pinned.here();
  }

  /** The map is open from before on: what fails is tried again by the keeper. */
  void registerAll(OpenMap map) {
    try {
      walk.all(map, Work.REGISTER);
    } catch (RuntimeException | Error e) {
      map.failed(e);
    }
  }

  /**
   * Opens a pinned map, for {@link #open(KernelMap, Wire, boolean)}.
   *
   * @throws KernelException as {@link KernelMap#open}
   */
  KernelMap open(Path pin) {
    return registry.kernel.open(pin);
  }

  private OpenMap prepared(KernelMap map, Wire wire) {
    MapWire.requireFits(map, wire, data.slotBytes());
    OpenMap prepared = OpenMap.of(registry, map, table.free(map.toString()), wire, keys);
    checkPages();
    return prepared;
  }

  /** The mappings are read under no lock, for which first uses would wait. */
  private void checkPages() {
    UnfitPages unfit = registry.threads.unfit;
    List<long[]> blocks;
    synchronized (registry.lock) {
      registry.catchUp();
      blocks = unfit.unchecked();
    }
    if (!blocks.isEmpty()) {
      List<long[]> wrong = registry.kernel.preparePages(blocks);
      synchronized (registry.lock) {
        registry.catchUp();
        unfit.checked(wrong);
      }
    }
  }

  /**
   * Takes every entry of this process out of a map and closes it, when its last user closes it.
   *
   * @param map from {@link #open}
   */
  public void close(OpenMap map) {
    registry.kernel.link();
    StackSpace.require();
    try (Pinned _ = Pinned.here()) {
      synchronized (data.opening) {
        boolean isLast;
        synchronized (registry.lock) {
          registry.catchUp();
          if (map.shared.users() <= 0) {
            return; // the first attempt has failed half way, and closed it all the same
          }
          isLast = map.shared.users() == 1;
          OpenMap[] fewer = table.without(map);
          table.use(map, -1);
          if (isLast) {
            table.hide(fewer);
          }
        }
        if (isLast) {
          shut(map);
        }
      }
      keeper.wake();
    }
  }

  /** Takes all entries out of a map that nobody uses, and closes it. */
  private void shut(OpenMap map) {
    try {
      walk.all(map, Work.TAKE_OUT);
    } finally {
      synchronized (registry.lock) {
        data.forgetMap(map.shared.number);
        map.shared.gone();
        map.nextLook = null;
        map.nextAttempt = null;
        registry.leftovers.settle();
        table.remove(map);
      }
      map.close();
    }
  }

  /** Closes the maps of copies of the library that are gone and have not closed them. */
  void closeUnused() {
    synchronized (data.opening) {
      while (true) {
        OpenMap unused;
        synchronized (registry.lock) {
          registry.catchUp();
          registry.threads.ends.releaseUnreachable();
          unused = table.unused();
          if (unused == null) {
            return;
          }
          table.hide(table.without(unused));
        }
        shut(unused);
      }
    }
  }

  /** Registers a thread with each map. Under the registry's lock; reports failures. */
  void register(ThreadRecord record) {
    for (OpenMap map : table.all()) {
      map.register(record);
    }
  }

  /**
   * Chooses whether to replace entries that somebody else made in a map, now and from now on.
   *
   * @param map from {@link #open}
   */
  public void takeOver(OpenMap map, boolean takeOver) {
    StackSpace.require();
    try (Pinned _ = Pinned.here()) {
      synchronized (data.opening) {
        synchronized (registry.lock) {
          map.shared.takeOver(takeOver);
        }
        if (takeOver && map.shared.users() > 0) {
          walk.all(map, Work.TRY_AGAIN);
        }
      }
    }
  }

  /** {@return the keys of the process} */
  List<Key> keys() {
    return keys.keys();
  }

  /** {@return who has an entry in an open map, and who should} */
  public Registrations registrations() {
    return registrations;
  }

  /** Logs what has failed. Under no lock. */
  void logFailures() {
    Home.log();
    VirtualThreads.say();
    for (OpenMap map : table.all()) {
      map.log();
    }
  }

  /** {@return the open maps, not to be changed} */
  OpenMap[] all() {
    return table.all();
  }

  /** Makes the entries of a thread that other copies of the library have set. Under the lock. */
  void know(ThreadRecord record) {
    table.know(record);
  }

  /** What is in the maps for a thread is another one's by now. Under the lock; cannot fail. */
  void forget(Place place) {
    for (OpenMap each : table.all()) {
      each.shared.setEntry(place, false);
      each.shared.tried(place, false);
    }
  }

  /** Learns of the maps that other copies of the library have opened or closed. */
  void catchUp() {
    table.catchUp();
  }

  /** {@return whether this copy of the library has any map open} */
  boolean usesAny() {
    synchronized (registry.lock) {
      return table.usesAny();
    }
  }

  /**
   * Forgets the threads that have ended, tries failed registrations and removals again, and checks
   * some entries of each map.
   *
   * @param most how many entries of each map to check at most, and how many to try again
   */
  void tend(int most) {
    registry.kernel.link();
    try (Pinned _ = Pinned.here()) {
      List<OpenMap> ours = new ArrayList<>();
      boolean anyUnused;
      synchronized (registry.lock) {
        registry.catchUp();
        registry.threads.ends.releaseUnreachable();
        registry.threads.ends.releaseSomeEnded();
        registry.leftovers.takeOut(most);
        registry.served.connection.forgetRefusal();
        anyUnused = table.unused() != null;
        for (OpenMap map : table.all()) {
          if (table.uses(map)) {
            ours.add(map);
          }
        }
      }
      if (anyUnused) {
        closeUnused();
      }
      for (OpenMap map : ours) {
        tend(map, most);
      }
      registry.served.barrier(registry.lock);
    }
  }

  /** Does so for a map, which may be closed meanwhile. */
  void tend(OpenMap map, int most) {
    map.nextLook = walk.go(map, Work.LOOK, map.nextLook, most);
    map.nextAttempt = walk.go(map, Work.TRY_AGAIN, map.nextAttempt, most);
  }

  /** Has the keeper look after the maps that are open. Under no lock, since it may log. */
  public void keep() {
    keeper.start();
  }

  Keeper keeper() {
    return keeper;
  }

  /** {@return the maps of serving sides} */
  SocketMaps sockets() {
    return sockets;
  }
}
