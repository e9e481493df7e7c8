// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.memory.Entry.Status;
import org.jspecify.annotations.Nullable;

/**
 * Ended threads whose entries could not be taken out of all maps. Their tasks may live on, and BPF
 * programs then find through such an entry what the thread left, or an orphaned frame. Under the
 * registry's lock.
 */
final class Leftovers {

  private final Registry registry;

  /** Linked by a field of its own: others may be on their way through the records' list. */
  private @Nullable ThreadRecord first;

  Leftovers(Registry registry) {
    this.registry = registry;
  }

  /** Takes a thread's entry out of a map, if it has one. */
  static void takeOut(ThreadRecord record, OpenMap map) {
    Entry entry = record.knownEntry(map);
    if (entry != null) {
      map.unregister(entry);
      if (entry.status() == Status.MISSING) {
        record.remove(entry);
      }
    }
  }

  /** Takes an ended thread's entries out of all maps, and keeps what is left. */
  void add(ThreadRecord record) {
    for (Entry each = record.entries; each != null; each = each.next) {
      takeOut(record, each.map);
    }
    if (record.waits()) {
      record.nextLeft = first;
      first = record;
      if (isHeld(record)) {
        record.place.hold(); // a program may still reach it through the entry
      }
    }
  }

  /** {@return whether the task of an entry has one that an ended thread has left in the map} */
  boolean hasStale(Entry entry) {
    for (ThreadRecord each = first; each != null; each = each.nextLeft) {
      Entry left = each.entry(entry.map);
      if (left != null && left.status() == Status.STALE && left.task.tid() == entry.task.tid()) {
        return true;
      }
    }
    return false;
  }

  /** Tries again to take entries out, each time those of other threads first. */
  void takeOut(int most) {
    int tried = 0;
    ThreadRecord last = first;
    for (ThreadRecord each = first; each != null && tried < most; each = each.nextLeft) {
      tried++;
      last = each;
      for (Entry entry = each.entries; entry != null; entry = entry.next) {
        if (entry.status() == Status.STALE && registry.threads.search.hasEntry(entry)) {
          entry.is(Status.MISSING); // it is the entry of a later thread by now
          each.remove(entry);
        } else if (entry.status() == Status.STALE) {
          takeOut(each, entry.map);
        }
      }
    }
    settle();
    rotate(last);
  }

  /** What was tried goes to the end. */
  private void rotate(@Nullable ThreadRecord tried) {
    ThreadRecord begin = first;
    ThreadRecord next = tried == null ? null : tried.nextLeft;
    if (begin == null || tried == null || next == null || !tried.waits()) {
      return;
    }
    ThreadRecord end = next;
    for (ThreadRecord each = next; each != null; each = each.nextLeft) {
      end = each;
    }
    first = next;
    end.nextLeft = begin;
    tried.nextLeft = null;
  }

  /** The task of an entry that was just set may have had one that an ended thread had left. */
  void replaced(Entry by) {
    for (ThreadRecord each = first; each != null; each = each.nextLeft) {
      Entry left = each.entry(by.map);
      if (left != null && left.task.tid() == by.task.tid()) {
        each.remove(left);
      }
    }
    settle();
  }

  /** No thread has an entry in a map any more. */
  void forget(OpenMap map) {
    for (ThreadRecord each = first; each != null; each = each.nextLeft) {
      Entry left = each.entry(map);
      if (left != null) {
        left.is(Status.MISSING);
        each.remove(left);
      }
    }
    settle();
  }

  /** Drops the threads of which nothing can be taken out any more. */
  void settle() {
    ThreadRecord before = null;
    for (ThreadRecord each = first; each != null; each = each.nextLeft) {
      if (each.waits()) {
        before = each;
      } else {
        if (before == null) {
          first = each.nextLeft;
        } else {
          before.nextLeft = each.nextLeft;
        }
        if (isHeld(each) && !each.hasStaleEntry()) {
          each.place.letGo();
          registry.threads.ends.releaseIfUnused(each.place);
        }
      }
    }
  }

  /**
   * {@return whether a page is shared with the kernel for good, so that it has to be waited for}
   */
  private boolean isHeld(ThreadRecord record) {
    return registry.data.packed() || registry.served.arrays.has(record.place.address());
  }
}
