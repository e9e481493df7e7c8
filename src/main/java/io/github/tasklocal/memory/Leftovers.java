// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.memory.Entry.Status;

/**
 * Ended threads whose entries could not be taken out of all maps. Their tasks may live on, and BPF
 * programs then find through such an entry what the thread left, or an orphaned frame. Under the
 * registry's lock.
 */
final class Leftovers {

  private final Registry registry;
  private final RecordList records = new RecordList();

  Leftovers(Registry registry) {
    this.registry = registry;
  }

  /** Takes a thread's entry out of a map, if it has one. */
  static void takeOut(ThreadRecord record, OpenMap map) {
    Entry entry = record.entry(map);
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
    if (record.hasStaleEntry()) {
      records.add(record);
    }
  }

  /** Nobody tries again to take entries out of a map that is closed. */
  void forget(OpenMap map) {
    for (ThreadRecord each = records.first(); each != null; each = each.next) {
      boolean waits = false;
      for (Entry entry = each.entries; entry != null; entry = entry.next) {
        waits |= entry.map != map && entry.status() == Status.STALE;
      }
      if (!waits) {
        records.remove(each);
      }
    }
  }

  /** {@return whether the task of an entry has one that an ended thread has left in the map} */
  boolean hasStale(Entry entry) {
    for (ThreadRecord each = records.first(); each != null; each = each.next) {
      Entry left = each.entry(entry.map);
      if (left != null && left.status() == Status.STALE && left.task.tid() == entry.task.tid()) {
        return true;
      }
    }
    return false;
  }

  /** Tries again to take entries out. */
  void takeOut(int most) {
    int tried = 0;
    for (ThreadRecord each = records.first(); each != null && tried < most; each = each.next) {
      tried++;
      for (Entry entry = each.entries; entry != null; entry = entry.next) {
        if (entry.status() == Status.STALE && entry.map.users > 0) {
          takeOut(each, entry.map);
        }
      }
      settle(each);
    }
  }

  /** The task of an entry that was just set may have had one that an ended thread had left. */
  void replaced(Entry by) {
    for (ThreadRecord each = records.first(); each != null; each = each.next) {
      Entry left = each.entry(by.map);
      if (left != null && left.task.tid() == by.task.tid()) {
        each.remove(left);
        settle(each);
      }
    }
  }

  private void settle(ThreadRecord record) {
    if (!record.hasStaleEntry()) {
      records.remove(record);
      registry.threads.ends().releaseIfUnused(record);
    }
  }
}
