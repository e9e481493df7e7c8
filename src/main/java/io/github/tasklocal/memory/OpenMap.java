// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.EntryExistsException;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.KernelMap;
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

  /** What all copies of the library know of it. */
  final SharedMap shared;

  /** Where the next look at entries begins, and the next attempt at missing ones. */
  @Nullable ThreadRecord nextLook;

  @Nullable ThreadRecord nextAttempt;

  OpenMap(Registry registry, KernelMap map, SharedMap shared, long metadata) {
    this.leftovers = registry.leftovers;
    this.kernel = registry.kernel;
    this.shared = shared;
    this.storage = new TaskStorage(kernel);
    this.map = map;
    this.wire = shared.wire();
    this.metadata = metadata;
    this.stamp = registry.data.stamp();
    this.value = Arena.ofAuto().allocate(wire.valueSize(), Long.BYTES);
    this.failures = new Failures(map.toString());
  }

  /**
   * {@return a map that another copy of the library has opened}
   *
   * @param keys what the map is told of
   */
  static OpenMap known(Registry registry, SharedMap shared, KeyDirectory keys) {
    return new OpenMap(registry, shared.map(), shared, keys.metadata(shared.wire()));
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

  /** Reports what is tried again. */
  void failed(Throwable cause) {
    failures.add(failures.explained(cause));
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
      if (task == null || record.superseded || record.place.isOver() || shared.isGone()) {
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
      set = put(entry, shared.takesOver() || leftovers.hasStale(entry));
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
    if (shared.isGone()) {
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
