// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.StackSpace;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Walk.Work;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * The maps that are open. Each thread is registered with each of them exactly once, by its record:
 * a map is published first, and then the threads that exist are registered one at a time, each
 * under the registry's lock; later ones register themselves at their first use of a key. So a first
 * use never waits for more than one registration.
 */
public final class Maps {

  /** Whose turn it is to open, close or take over. First uses do not take this lock. */
  private final Object opening = new Object();

  private final Registry registry;
  private final KeyDirectory keys;
  private final Keeper keeper = new Keeper(this);

  /**
   * What this copy of the library writes into entries. Another copy, in another class loader, has
   * another stamp, and other libraries leave 0.
   */
  private final int stamp = ThreadLocalRandom.current().nextInt() | 1;

  /** Changed under both locks, and never in place. */
  private volatile OpenMap[] open = {};

  private final Walk walk;

  Maps(Registry registry, KeyDirectory keys) {
    this.registry = registry;
    this.keys = keys;
    this.walk = new Walk(registry);
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
    try {
      StackSpace.require();
      synchronized (opening) {
        OpenMap known = find(map.id());
        if (known != null) {
          if (takeOver) {
            takeOver(known, true);
          }
          known.users++;
          return known; // has a descriptor of its own
        }
        OpenMap fresh = prepared(map, wire);
        fresh.takesOver = takeOver;
        OpenMap[] more = Arrays.copyOf(open, open.length + 1);
        more[open.length] = fresh;
        synchronized (registry.lock) {
          registry.threads.ends.releaseEnded();
          open = more;
          isOpen = true;
        }
        walk.all(fresh, Work.REGISTER);
        return fresh;
      }
    } finally {
      if (!isOpen) {
        map.close();
      }
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
    if (wire == Wire.B && SlotSize.packed()) {
      throw new NotSupportedException(
          "open",
          map.toString(),
          null,
          "threads share pages (-D%s=%d), and its wire, B, has a page for each thread"
              .formatted(SlotSize.PROPERTY, SlotSize.BYTES),
          "start java without -D" + SlotSize.PROPERTY + ", or use a BPF program of wire A or C");
    }
    OpenMap prepared =
        new OpenMap(registry.leftovers, registry.kernel, map, wire, keys.metadata(wire), stamp);
    prepared.prepare();
    synchronized (registry.lock) {
      registry.threads.checkPages();
    }
    return prepared;
  }

  private @Nullable OpenMap find(int id) {
    for (OpenMap each : open) {
      if (each.id() == id) {
        return each;
      }
    }
    return null;
  }

  /**
   * Takes every entry of this process out of a map and closes it, when its last user closes it.
   *
   * @param map from {@link #open}
   */
  public void close(OpenMap map) {
    StackSpace.require();
    synchronized (opening) {
      if (map.users > 1) {
        map.users--;
        return;
      }
      OpenMap[] fewer = without(map);
      synchronized (registry.lock) {
        open = fewer;
        map.users = 0;
      }
      try {
        walk.all(map, Work.TAKE_OUT);
      } finally {
        synchronized (registry.lock) {
          map.gone = true;
          map.nextLook = null;
          map.nextAttempt = null;
          registry.leftovers.settle();
        }
        map.close();
      }
    }
    keeper.wake();
  }

  private OpenMap[] without(OpenMap map) {
    OpenMap[] fewer = new OpenMap[open.length - 1];
    int i = 0;
    for (OpenMap each : open) {
      if (each != map) {
        fewer[i++] = each;
      }
    }
    return fewer;
  }

  /** Registers a thread with each map. Under the registry's lock; reports failures. */
  void register(ThreadRecord record) {
    for (OpenMap map : open) {
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
    synchronized (opening) {
      synchronized (registry.lock) {
        map.takesOver = takeOver;
      }
      if (takeOver && map.users > 0) {
        walk.all(map, Work.TRY_AGAIN);
      }
    }
  }

  /** {@return how many live threads have an entry in a map} */
  public int threads(OpenMap map) {
    synchronized (registry.lock) {
      registry.threads.ends.releaseEnded();
      return map.entries;
    }
  }

  /**
   * {@return the live threads that should have an entry in a map and have none, with the reason}
   */
  public Map<Task, KernelException> unregistered(OpenMap map) {
    Map<Task, KernelException> found = new LinkedHashMap<>();
    synchronized (registry.lock) {
      registry.threads.ends.releaseEnded();
      for (ThreadRecord each = registry.threads.first(); each != null; each = each.next) {
        Entry entry = each.entry(map);
        if (entry != null && entry.reason != null) {
          found.put(entry.task, entry.reason);
        }
      }
    }
    return found;
  }

  /** Logs what has failed. Under no lock. */
  void logFailures() {
    for (OpenMap map : open) {
      map.log();
    }
  }

  /** {@return the open maps, not to be changed} */
  OpenMap[] all() {
    return open;
  }

  /**
   * Forgets the threads that have ended, tries failed registrations and removals again, and checks
   * some entries of each map.
   *
   * @param most how many entries of each map to check at most, and how many to try again
   */
  void tend(int most) {
    synchronized (registry.lock) {
      registry.threads.ends.releaseUnreachable();
      registry.threads.ends.releaseEnded();
      registry.leftovers.takeOut(most);
    }
    for (OpenMap map : open) {
      tend(map, most);
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

  /** {@return the thread that follows pins and looks after entries} */
  Keeper keeper() {
    return keeper;
  }
}
