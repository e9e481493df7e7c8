// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.EntryExistsException;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.KernelVersion;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Entry.Status;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A map in which this process's threads have entries. Under the registry's lock, except its state.
 * What registers threads and takes their entries out reports failures and never throws.
 */
public final class OpenMap {

  /** An address at which no page begins. */
  private static final long NO_PAGE = 8;

  /** Indexes of what is shared. */
  private static final int FD = 0;

  private static final int ID = 1;
  private static final int WIRE = 2;
  private static final int USERS = 3;
  private static final int TAKES_OVER = 4;
  private static final int ENTRIES = 5;
  private static final int GONE = 6;
  private static final int SHARED = 7;

  private final Leftovers leftovers;
  private final Kernel kernel;
  private final TaskStorage storage;
  private final KernelMap map;
  private final Wire wire;
  private final long metadata;
  private final int stamp;

  /** Freed by the collector, as closing a shared arena takes a handshake with each thread. */
  private final MemorySegment value;

  private final Failures failures;

  /** Which of the process's maps this is, from 0. */
  final int number;

  /** What all copies of the library know of it. */
  private final int[] shared;

  /** Where the next look at entries begins, and the next attempt at missing ones. */
  @Nullable ThreadRecord nextLook;

  @Nullable ThreadRecord nextAttempt;

  /**
   * Makes a map that is not open yet.
   *
   * @param number which of the process's maps it will be
   */
  OpenMap(Registry registry, KernelMap map, Wire wire, long metadata, int number) {
    this(registry, map, wire, metadata, number, new int[SHARED]);
    shared[FD] = map.fd();
    shared[ID] = map.id();
    shared[WIRE] = wire.ordinal();
  }

  private OpenMap(
      Registry registry, KernelMap map, Wire wire, long metadata, int number, int[] shared) {
    this.leftovers = registry.leftovers;
    this.kernel = registry.kernel;
    this.number = number;
    this.shared = shared;
    this.storage = new TaskStorage(kernel);
    this.map = map;
    this.wire = wire;
    this.metadata = metadata;
    this.stamp = registry.data.stamp();
    this.value = Arena.ofAuto().allocate(wire.valueSize(), Long.BYTES);
    this.failures = new Failures(map.toString());
  }

  /**
   * {@return a map that another copy of the library has opened}
   *
   * @param shared one of {@link SharedData#maps}
   * @param keys what the map is told of
   */
  static OpenMap known(Registry registry, Object shared, int number, KeyDirectory keys) {
    Object[] parts = (Object[]) shared;
    int[] numbers = (int[]) parts[0];
    Wire wire = Wire.values()[numbers[WIRE]];
    KernelMap map =
        KernelMap.known(numbers[FD], numbers[ID], wire.valueSize(), String.valueOf(parts[1]));
    return new OpenMap(registry, map, wire, keys.metadata(wire), number, numbers);
  }

  /** {@return what {@link #known} needs, for other copies} */
  Object shared() {
    return new Object[] {shared, map.description()};
  }

  /** {@return whether a shared one is this map} */
  @SuppressWarnings("ReferenceEquality")
  boolean is(@Nullable Object other) {
    return other instanceof Object[] parts && parts[0] == shared;
  }

  /** A copy is gone that had maps open so many times. */
  static void leave(@Nullable Object[] maps, int[] uses) {
    for (int i = 0; i < maps.length; i++) {
      if (maps[i] instanceof Object[] parts && parts[0] instanceof int[] numbers) {
        numbers[USERS] -= uses[i];
      }
    }
  }

  /** {@return how many times the process has opened this map; 0 once it is being closed} */
  int users() {
    return shared[USERS];
  }

  /** Notes that one more has opened it, or one less. */
  void use(int more) {
    shared[USERS] += more;
  }

  /** {@return whether the descriptor is closed} */
  boolean isGone() {
    return shared[GONE] != 0;
  }

  /** {@return how many threads have an entry} */
  int entries() {
    return shared[ENTRIES];
  }

  /** {@return whether a thread has its entry} */
  boolean hasEntry(Place place) {
    return !isGone() && place.hasEntry(number);
  }

  /** {@return whether any copy has asked the kernel for it, and may have got it} */
  boolean wasTried(Place place) {
    return !isGone() && place.wasTried(number);
  }

  void tried(Place place, boolean is) {
    if (!isGone()) {
      place.tried(number, is);
    }
  }

  void setEntry(Place place, boolean is) {
    if (!isGone() && place.setEntry(number, is)) {
      shared[ENTRIES] += is ? 1 : -1;
    }
  }

  /** Chooses whether entries that somebody else made are replaced. */
  void takeOver(boolean takeOver) {
    shared[TAKES_OVER] = takeOver ? 1 : 0;
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
    if (storage.holdsUserPointers(map, value)) {
      return;
    }
    String problem = "the kernel sees no pointers to user memory (uptr) in its values";
    if (!KernelVersion.RUNNING.atLeast(6, 13)) {
      throw new NotSupportedException(
          "open",
          map.toString(),
          null,
          problem,
          "needs kernel 6.13 or newer; this is " + KernelVersion.RUNNING);
    }
    throw new WrongObjectException(
        "open",
        map.toString(),
        null,
        problem,
        "compile the program with task_local_data.bpf.h of this project, or with a newer clang:"
            + " clang 14 drops the uptrs of other headers");
  }

  /** Gives a thread its entry, if it has none. */
  void register(ThreadRecord record) {
    KernelException e = tryToRegister(record);
    if (e != null) {
      failures.add(e);
    }
  }

  /** Tries again to give a thread its entry, which is reported, but not counted as a failure. */
  void registerAgain(ThreadRecord record) {
    KernelException e = tryToRegister(record);
    if (e != null) {
      failures.again(e);
    }
  }

  /** {@return why the thread has no entry of ours, or null if it has one or has ended} */
  private @Nullable KernelException tryToRegister(ThreadRecord record) {
    Entry entry = null;
    KernelException reason;
    try {
      entry = record.entry(this);
      Task task = record.state().task();
      if (task == null || record.superseded || record.place.isOver() || isGone()) {
        return null;
      }
      if (entry == null) {
        entry = new Entry(this, record, task);
        record.add(entry);
      }
      if (entry.status() == Status.MISSING) {
        put(entry);
      }
      return null;
    } catch (KernelException e) {
      reason = e;
    } catch (RuntimeException | Error e) {
      reason = failures.explained(e);
    }
    if (entry != null) {
      entry.reason = reason;
    }
    return reason;
  }

  private void put(Entry entry) {
    Task task = entry.task;
    ThreadRecord record = entry.record;
    if (!kernel.isAlive(task)) {
      return;
    }
    if (task.tid() == 0) {
      throw refused(
          task,
          "its kernel task is not known, since /proc could not be read when it first used a key",
          "mount procfs at /proc");
    }
    if (record.place.isUnfit()) {
      throw refused(
          task,
          "its page lies in memory that is shared, huge or a file's, as malloc gave it",
          "use a key in that thread once more, and it moves to another page; or start java without"
              + " the setting of malloc (GLIBC_TUNABLES, LD_PRELOAD)");
    }
    boolean wasTried = entry.wasTried();
    record.place.give();
    entry.tried(true);
    boolean set;
    try {
      set = put(entry, shared[TAKES_OVER] != 0 || leftovers.hasStale(entry));
    } catch (EntryExistsException e) {
      if (!storage.get(map, task, value)) {
        set = put(entry, false); // its task was ending, with an entry from its time in Java
      } else if (wire == Wire.B ? wasTried : MapValue.hasStamp(value, wire, stamp)) {
        // An earlier attempt may have failed after it had set it. Wire B has no stamp to tell.
        set = put(entry, true);
      } else {
        entry.tried(false);
        throw e;
      }
    } catch (KernelException e) {
      entry.tried(wasTried);
      throw e;
    }
    if (set) {
      entry.is(Status.SET);
      leftovers.replaced(entry);
    }
  }

  private boolean put(Entry entry, boolean replace) {
    MapValue.write(value, wire, entry.record.page.address(), metadata, stamp);
    return storage.put(map, entry.task, value, replace);
  }

  private boolean isOurs(Entry entry) {
    return storage.get(map, entry.task, value) && MapValue.hasStamp(value, wire, stamp);
  }

  private NotSupportedException refused(Task task, String problem, String cure) {
    return new NotSupportedException(
        "set the entry of " + task + " in", map.toString(), null, problem, cure);
  }

  /**
   * Takes out the entry that an ended thread may have left, or that of any thread as the map is
   * closed. Most often the kernel has done so for an ended one, but a task can outlive its Java
   * thread: that of main waits for the JVM to end, and a native thread detaches.
   */
  void unregister(Entry entry) {
    if (isGone()) {
      return; // its descriptor may be another map's by now
    }
    if (entry.status() != Status.MISSING || entry.wasTried()) {
      boolean out = false;
      try {
        if (wire == Wire.B || isOurs(entry)) {
          storage.remove(map, entry.task);
        }
        out = true;
      } catch (KernelException e) {
        failures.add(e);
      } catch (RuntimeException | Error e) {
        failures.add(failures.explained(e));
      } finally {
        entry.is(out ? Status.MISSING : Status.STALE);
      }
    }
  }

  /**
   * Checks that an entry is still there and ours. A deleted entry is set again; one that is
   * somebody else's by now is reported.
   */
  void look(Entry entry) {
    boolean there;
    boolean ours;
    try {
      there = storage.get(map, entry.task, value);
      ours = there && MapValue.hasStamp(value, wire, stamp);
      if (ours || !kernel.isAlive(entry.task)) {
        return;
      }
    } catch (KernelException e) {
      return; // for instance no descriptor is left: nothing is known to be wrong
    }
    KernelException wrong =
        there ? TaskStorage.replaced(map, entry.task) : TaskStorage.vanished(map, entry.task);
    entry.is(Status.MISSING);
    if (there) {
      entry.reason = wrong;
    } else {
      register(entry.record); // before it is said that it was set again
    }
    failures.add(wrong);
  }

  /** {@return whether {@link #log} has something to say} */
  boolean hasUnlogged() {
    return failures.hasUnlogged();
  }

  /** Logs the first failure, once. Not under the lock, since a log handler is foreign code. */
  public void log() {
    failures.log();
  }

  /** The descriptor is closed, or will be without the lock. */
  void gone() {
    shared[GONE] = 1;
  }

  /** Gives the descriptor back. */
  void close() {
    map.close();
  }

  /** {@return the kernel's id of the map} */
  public int id() {
    return map.id();
  }

  /** {@return the map's wire} */
  public Wire wire() {
    return wire;
  }

  /** {@return how many registrations have failed} */
  public int failures() {
    return failures.count();
  }

  /** {@return the last failure, or null} */
  public @Nullable KernelException lastFailure() {
    return failures.last();
  }

  @Override
  public String toString() {
    return map.toString();
  }
}
