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

  void add(ThreadRecord record) {
    record.listed = true;
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
    size--;
  }

  /** {@return the first record that is in the list, or null} */
  @Nullable ThreadRecord first() {
    return first;
  }

  /** {@return the first record from this one on that is in the list, or null} */
  static @Nullable ThreadRecord listed(@Nullable ThreadRecord from) {
    ThreadRecord record = from;
    while (record != null && !record.listed) {
      record = record.next;
    }
    return record;
  }

  int size() {
    return size;
  }
}
