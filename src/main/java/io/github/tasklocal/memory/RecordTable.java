// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import org.jspecify.annotations.Nullable;

/**
 * The latest record of each kernel task, by tid. Putting and removing allocates nothing, and so
 * cannot fail. Under the registry's lock.
 */
final class RecordTable {

  private final @Nullable ThreadRecord[] byBits = new ThreadRecord[1 << 14];

  @Nullable ThreadRecord get(int tid) {
    ThreadRecord record = tid == 0 ? null : byBits[index(tid)];
    while (record != null && record.tid() != tid) {
      record = record.nextOfTid;
    }
    return record;
  }

  /** {@return the record that a new one replaces here, or null} */
  @Nullable ThreadRecord put(ThreadRecord record) {
    ThreadRecord earlier = get(record.tid());
    if (earlier != null) {
      remove(earlier);
    }
    if (record.tid() != 0) {
      int i = index(record.tid());
      record.nextOfTid = byBits[i];
      byBits[i] = record;
    }
    return earlier;
  }

  /** Removes a record that has its tid still; nothing happens if it is not here. */
  void remove(ThreadRecord record) {
    int i = index(record.tid());
    ThreadRecord before = null;
    for (ThreadRecord each = byBits[i]; each != null; before = each, each = each.nextOfTid) {
      if (each == record) {
        if (before == null) {
          byBits[i] = each.nextOfTid;
        } else {
          before.nextOfTid = each.nextOfTid;
        }
        return;
      }
    }
  }

  private int index(int tid) {
    return tid & (byBits.length - 1);
  }
}
