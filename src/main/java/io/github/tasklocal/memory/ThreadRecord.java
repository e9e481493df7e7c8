// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.memory.ThreadState.Attached;
import io.github.tasklocal.memory.ThreadState.Native;
import io.github.tasklocal.memory.ThreadState.Over;
import io.github.tasklocal.memory.ThreadState.Reserved;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;

/**
 * A thread with a page, as the registry knows it. It keeps neither the thread nor a hold on its
 * page reachable, except the hold of a thread that Java does not know. Under the registry's lock,
 * except what is final.
 */
final class ThreadRecord {

  final Registry registry;
  final MemorySegment page;

  /** What all copies of the library know of it. */
  final Place place;

  private ThreadState state;

  /** Whether another record has its tid by now, and so what is in the maps is not its own. */
  boolean superseded;

  /** What is known of its entries, in no order. */
  @Nullable Entry entries;

  /** The neighbours in the registry's list, and the place in it. */
  @Nullable ThreadRecord previous;

  @Nullable ThreadRecord next;

  boolean listed;
  long number;

  private WeakReference<ThreadPage> hold = new WeakReference<>(null);

  /** The next of {@link Leftovers}. */
  @Nullable ThreadRecord nextLeft;

  /** The next with the same last bits of its tid. */
  @Nullable ThreadRecord nextOfTid;

  /** Makes the record of a thread that does not run, until it gets another state. */
  ThreadRecord(Registry registry, MemorySegment page, Place place) {
    this.registry = registry;
    this.page = page;
    this.place = place;
    this.state = Over.ENDED;
  }

  ThreadState state() {
    return state;
  }

  /** {@return the thread's id in the kernel, or 0 if none runs or it is not known} */
  int tid() {
    Task task = state.task();
    return task == null ? 0 : task.tid();
  }

  boolean hasEnded() {
    return state instanceof Over;
  }

  /** The first state of a record that nobody else knows yet. */
  void set(ThreadState first) {
    state = first;
  }

  /** A reserved page's thread has reached its first step. */
  void begin(ThreadState.Java begun) {
    Reserved ignored = (Reserved) state;
    state = begun;
  }

  /** A thread's page is its kernel task's from now on. */
  void keep(Attached kept) {
    ThreadState.Java ignored = (ThreadState.Java) state;
    state = kept;
  }

  /** A native thread has attached to the virtual machine, and uses a key itself. */
  void attach(Attached attached) {
    Native ignored = (Native) state;
    state = attached;
  }

  /** A thread has left the virtual machine; its task lives on and keeps the values. */
  void detach(Native left) {
    Attached ignored = (Attached) state;
    state = left;
  }

  /** A thread that another copy of the library knows uses a key of this one. */
  void list(ThreadState.Java listed) {
    ThreadState.Java ignored = (ThreadState.Java) state;
    state = listed;
  }

  /** The thread has ended. */
  void end() {
    state = Over.ENDED;
  }

  /** {@return the thread's entry in a map, or null if nothing is known of one} */
  @Nullable Entry entry(OpenMap map) {
    for (Entry each = entries; each != null; each = each.next) {
      if (each.map == map) {
        return each;
      }
    }
    return null;
  }

  /** {@return the thread's entry in a map, made if another copy of the library has set it} */
  @Nullable Entry knownEntry(OpenMap map) {
    Entry entry = entry(map);
    Task task = state.task();
    if (entry == null
        && task != null
        && !superseded
        && (map.shared.hasEntry(place) || map.shared.wasTried(place))) {
      entry = new Entry(map, this, task);
      add(entry);
    }
    return entry;
  }

  void add(Entry entry) {
    entry.next = entries;
    entries = entry;
  }

  void remove(Entry entry) {
    Entry before = null;
    for (Entry each = entries; each != null; before = each, each = each.next) {
      if (each == entry) {
        if (before == null) {
          entries = each.next;
        } else {
          before.next = each.next;
        }
        return;
      }
    }
  }

  /** Another record has its tid from now on: what is in the maps is that one's, or will be. */
  void supersede() {
    superseded = true;
    for (Entry each = entries; each != null; each = each.next) {
      each.is(Entry.Status.MISSING);
    }
    registry.maps.forget(place);
  }

  /** {@return whether an entry is left in a map, through which a program may reach the page} */
  boolean hasStaleEntry() {
    for (Entry each = entries; each != null; each = each.next) {
      if (each.status() == Entry.Status.STALE) {
        return true;
      }
    }
    return false;
  }

  /** {@return whether such an entry can still be taken out} */
  boolean waits() {
    for (Entry each = entries; each != null; each = each.next) {
      if (each.status() == Entry.Status.STALE && !each.map.shared.isGone()) {
        return true;
      }
    }
    return false;
  }

  /** {@return the last hold on the page, or null if it is not reachable any more} */
  @Nullable ThreadPage lastHold() {
    return hold.get();
  }

  /** {@return a hold on the page, the same as before if that is still reachable} */
  ThreadPage hold() {
    ThreadPage page = hold.get();
    return page == null ? newHold(0) : page;
  }

  /**
   * {@return a hold on the page that is not the same as any before}
   *
   * @param threadId of the thread in Java in whose list it will be, or 0
   */
  ThreadPage newHold(long threadId) {
    ThreadPage page = new ThreadPage(this, threadId);
    hold = new WeakReference<>(page);
    return page;
  }
}
