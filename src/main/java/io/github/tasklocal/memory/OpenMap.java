// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Entry.Status;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A map in which this process's threads have entries. Under the registry's lock, except its state.
 * What registers threads and takes their entries out reports failures and never throws.
 */
public final class OpenMap {

  private final Registry registry;
  private final Kernel kernel;
  private final Way way;
  private final String name;
  private final Failures failures;

  /** What all copies of the library know of it. */
  final SharedMap shared;

  /** Where the next look at entries begins, and the next attempt at missing ones. */
  @Nullable ThreadRecord nextLook;

  @Nullable ThreadRecord nextAttempt;

  private OpenMap(Registry registry, SharedMap shared, Way way, String name) {
    this.registry = registry;
    this.kernel = registry.kernel;
    this.shared = shared;
    this.way = way;
    this.name = name;
    this.failures = new Failures(name);
  }

  /**
   * {@return a map of task storage}
   *
   * @param keys what the map is told of
   * @throws WrongObjectException if the map's values hold no pointers to user memory
   * @throws NotSupportedException if the kernel is too old for such pointers
   */
  static OpenMap of(Registry registry, KernelMap map, int number, Wire wire, KeyDirectory keys) {
    SharedMap shared = new SharedMap(number, map, wire);
    UserPointers way = new UserPointers(registry, map, wire, shared, keys);
    way.prepare();
    return new OpenMap(registry, shared, way, map.toString());
  }

  /** {@return what a serving side has at a socket} */
  static OpenMap served(Registry registry, int number, String socket) {
    return new OpenMap(
        registry, new SharedMap(number, socket), new Slots(registry, socket), socket(socket));
  }

  /**
   * {@return a map that another copy of the library has opened}
   *
   * @param keys what the map is told of
   */
  static OpenMap known(Registry registry, SharedMap shared, KeyDirectory keys) {
    Wire wire = shared.wire();
    if (wire == null) {
      String socket = shared.socket();
      return new OpenMap(registry, shared, new Slots(registry, socket), socket(socket));
    }
    KernelMap map = shared.map(wire);
    return new OpenMap(
        registry, shared, new UserPointers(registry, map, wire, shared, keys), map.toString());
  }

  private static String socket(String path) {
    return "socket " + path;
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
      entry.waits = false;
    }
    return reason;
  }

  private void put(Entry entry) {
    Task task = entry.task;
    if (!kernel.isAlive(task)) {
      return;
    }
    if (task.tid() == 0) {
      throw entry.refused(
          "its kernel task is not known, since /proc could not be read when it first used a key",
          "mount procfs at /proc");
    }
    Way.Outcome outcome = way.put(entry);
    if (outcome == Way.Outcome.SET) {
      entry.is(Status.SET);
      registry.leftovers.replaced(entry);
    }
    entry.waits = outcome == Way.Outcome.WAITS;
    if (entry.waits) {
      entry.reason = Slots.waits(task, name);
    }
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
        way.remove(entry);
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
    KernelException wrong;
    try {
      wrong = way.change(entry);
    } catch (KernelException e) {
      return; // for instance no descriptor is left: nothing is known to be wrong
    }
    if (wrong == null) {
      return;
    }
    entry.is(Status.MISSING);
    if (Way.isGone(wrong)) {
      register(entry.record); // before it is said that it was set again
    } else {
      entry.reason = wrong;
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
    way.close();
  }

  /** {@return the kernel's id of the map; {@link SharedMap#SERVED} if it is a socket's} */
  public int id() {
    return shared.id();
  }

  /** {@return the map's wire, or null if it is a socket's} */
  public @Nullable Wire wire() {
    return shared.wire();
  }

  /** {@return the path of the socket, if it is a socket's} */
  public String socket() {
    return shared.socket();
  }

  /** {@return how many registrations have failed} */
  public int failures() {
    return failures.count();
  }

  /** {@return how many have failed by the exception's name and errno; changes as more do} */
  Map<String, Integer> failuresByKind() {
    return failures.byKind();
  }

  /** {@return the last failure, or null} */
  public @Nullable KernelException lastFailure() {
    return failures.last();
  }

  @Override
  public String toString() {
    return name;
  }
}
