// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import org.jspecify.annotations.Nullable;

/**
 * Records in the order in which they were added. Adding and removing allocates nothing, and so
 * cannot fail. Under the registry's lock.
 *
 * <p>Whoever goes through the list may let the lock go at a record: if that is removed meanwhile,
 * its next one is still the next, or has been removed and leads on. Only records that were added
 * since may be missed.
 */
final class RecordList {

  private @Nullable ThreadRecord first;
  private @Nullable ThreadRecord last;
  private int size;
  private long numbers;

  void add(ThreadRecord record) {
    record.listed = true;
    record.number = numbers++;
    record.previous = last;
    record.next = null;
    if (last == null) {
      first = record;
    } else {
      last.next = record;
    }
    last = record;
    size++;
  }

  void remove(ThreadRecord record) {
    if (!record.listed) {
      return;
    }
    ThreadRecord before = record.previous;
    ThreadRecord after = record.next;
    if (before == null) {
      first = after;
    } else {
      before.next = after;
    }
    if (after == null) {
      last = before;
    } else {
      after.previous = before;
    }
    record.listed = false;
    record.previous = null;
    record.next = null; // or a record that something keeps would keep all that followed it
    size--;
  }

  /** {@return the first record that is in the list, or null} */
  @Nullable ThreadRecord first() {
    return first;
  }

  /** {@return the first record from this one on that is in the list, or null} */
  @Nullable ThreadRecord from(@Nullable ThreadRecord record) {
    if (record == null || record.listed) {
      return record;
    }
    ThreadRecord each = first;
    while (each != null && each.number < record.number) {
      each = each.next;
    }
    return each;
  }

  int size() {
    return size;
  }
}
