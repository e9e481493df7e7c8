// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.memory.ThreadState.Java;
import io.github.tasklocal.memory.ThreadState.Native;
import org.jspecify.annotations.Nullable;

/** Finds the record of a kernel task. Under the registry's lock. */
final class ThreadSearch {

  private final Kernel kernel;
  private final RecordTable byTid;
  private final Ends ends;

  ThreadSearch(Kernel kernel, RecordTable byTid, Ends ends) {
    this.kernel = kernel;
    this.byTid = byTid;
    this.ends = ends;
  }

  /** {@return the record of the calling thread as one that Java does not know, or null} */
  @Nullable ThreadRecord nativeOf(int tid, Thread current) {
    try {
      ThreadRecord record = latest(tid);
      return record != null
              && record.state() instanceof Native known
              && (record.place.thread() == current || kernel.isAlive(known.task()))
          ? record
          : null;
    } catch (KernelException e) {
      return null; // not known: a page of its own is never wrong
    }
  }

  /** {@return the record of a thread of Java's, if only other copies of the library have met it} */
  @Nullable ThreadRecord metElsewhere(int tid, Thread thread) {
    ThreadRecord record = byTid.get(tid);
    boolean isIts =
        record != null
            && record.state() instanceof Java java
            && java.threadId() == 0
            && java.task().liveThread() == thread;
    return isIts ? record : null;
  }

  /** {@return the record of a task from {@link Task#all}, or null if it has none or has ended} */
  @Nullable ThreadRecord find(Task task) {
    ThreadRecord record = latest(task.tid());
    if (record == null || !kernel.isAlive(task)) {
      return null;
    }
    Task known = record.state().task();
    // A Java thread that lives still has its tid: check this last.
    boolean same =
        known != null
            && (record.state() instanceof Native ? known.same(task) : kernel.isAlive(known));
    return same ? record : null;
  }

  /** {@return whether the tid of an entry's thread is by now another one's that has its entry} */
  boolean hasEntry(Entry left) {
    ThreadRecord now = byTid.get(left.task.tid());
    return now != null && now != left.record && left.map.shared.hasEntry(now.place);
  }

  /** {@return the Java thread of a task from {@link Task#all}, or null} */
  @Nullable Thread threadOf(Task task) {
    ThreadRecord record = find(task);
    Task known = record == null ? null : record.state().task();
    return known == null ? null : known.liveThread();
  }

  /** {@return the record of a kernel task, or of one that had its tid before} */
  private @Nullable ThreadRecord latest(int tid) {
    ThreadRecord record = byTid.get(tid);
    boolean mayBeOver =
        record != null && (record.place.isOver() || !(record.state() instanceof Native));
    if (record != null && mayBeOver && !ends.isAlive(record)) {
      ends.end(record); // it has ended in Java, and this is the first look since
    }
    return byTid.get(tid);
  }

  /**
   * Refuses a thread that has ended.
   *
   * @throws KernelException if it cannot be determined whether it has
   */
  void requireAlive(Task task) {
    if (!kernel.isAlive(task)) {
      throw new NotFoundException(
          "find",
          task.toString(),
          null,
          "the thread has ended",
          "list the threads again: NativeThread.list()");
    }
  }
}
