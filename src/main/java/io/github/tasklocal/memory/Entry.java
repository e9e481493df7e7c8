// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.kernel.Task;
import org.jspecify.annotations.Nullable;

/** What is known of a thread's entry in a map. Under the registry's lock. */
final class Entry {

  /** Whether the entry is in the map. */
  enum Status {
    /** The thread has none of ours; it should have one, unless it has ended. */
    MISSING,
    /** The thread has its entry. */
    SET,
    /** The thread has ended in Java, and its entry could not be taken out. */
    STALE
  }

  final OpenMap map;
  final ThreadRecord record;

  /** The thread, also after its end. */
  final Task task;

  /** What it is unless it is set, which all copies of the library know. */
  private Status status = Status.MISSING;

  /** Why it is missing, or null. */
  @Nullable KernelException reason;

  /** Whether the thread has to come itself, which is no failure. */
  boolean waits;

  /** The next of the same thread. */
  @Nullable Entry next;

  Entry(OpenMap map, ThreadRecord record, Task task) {
    this.map = map;
    this.record = record;
    this.task = task;
  }

  Status status() {
    return map.shared.hasEntry(record.place) ? Status.SET : status;
  }

  /** Changes the status, and with it how many entries the map has. */
  void is(Status now) {
    map.shared.setEntry(record.place, now == Status.SET);
    status = now == Status.STALE ? Status.STALE : Status.MISSING;
    tried(now != Status.MISSING);
    if (now != Status.MISSING) {
      reason = null;
      waits = false;
    }
  }

  /**
   * Whether the kernel was asked to set it by any copy, and nothing says that it has not done so.
   */
  boolean wasTried() {
    return map.shared.wasTried(record.place);
  }

  void tried(boolean is) {
    map.shared.tried(record.place, is);
  }

  /** {@return why the thread can have none} */
  NotSupportedException refused(String problem, String cure) {
    return new NotSupportedException(
        "set the entry of " + task + " in", map.toString(), null, problem, cure);
  }
}
