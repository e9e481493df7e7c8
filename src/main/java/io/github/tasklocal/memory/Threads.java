// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.memory.ThreadState.Attached;
import io.github.tasklocal.memory.ThreadState.Java;
import io.github.tasklocal.memory.ThreadState.Native;
import io.github.tasklocal.memory.ThreadState.Reserved;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The records of threads with a page, from the lease of the page to its release ({@link Ends}).
 *
 * <p>Everything is under the registry's lock. Each step allocates what it needs before it changes
 * anything.
 */
final class Threads {

  /**
   * How long the part of a shared page waits before it serves another thread: far longer than the
   * kernel lets programs run that may not sleep. A program that sleeps may take longer, and one may
   * hold an ended task; {@link io.github.tasklocal.TaskLocal} says so.
   */
  private static final long GRACE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final Registry registry;
  private final Kernel kernel;
  private final ThreadLists lists;
  private final boolean packed;
  private final PageArena arena;
  private final Pages pages;

  /** Those that have not ended. */
  private final RecordList live = new RecordList();

  private final RecordTable byTid = new RecordTable();
  private final Ending.List endings = new Ending.List();
  final Ends ends;

  Threads(Registry registry, ThreadLists lists, int bytes, LongSupplier clock) {
    this.registry = registry;
    this.kernel = registry.kernel;
    this.lists = lists;
    this.packed = bytes < DataPage.SIZE;
    this.arena = new PageArena(kernel);
    this.pages = new Pages(kernel, arena, bytes, GRACE_NANOS, clock);
    this.ends = new Ends(registry, lists, live, byTid, endings, pages, packed);
  }

  /** {@return the page of a thread that has had none} */
  ThreadPage enter(ThreadState state) {
    ThreadRecord record = lease();
    boolean entered = false;
    try {
      ThreadPage page = record.newHold(state.threadId());
      DataPage.prepare(record.page);
      enter(record, state, page);
      entered = true;
      return page;
    } finally {
      if (!entered) {
        pages.release(record.page);
      }
    }
  }

  /** {@return the record of a thread that Java does not know, with a page that has had none} */
  ThreadRecord enterNative(Task task) {
    ThreadRecord record = lease();
    boolean entered = false;
    try {
      ThreadPage keep = record.newHold(0);
      DataPage.prepare(record.page);
      enter(record, new Native(task, keep), keep);
      entered = true;
      return record;
    } finally {
      if (!entered) {
        pages.release(record.page);
      }
    }
  }

  /** Cannot fail. */
  private void enter(ThreadRecord record, ThreadState state, ThreadPage page) {
    record.set(state);
    list(record);
    if (page.threadId != 0) {
      lists.add(page);
    }
    registry.maps.register(record);
  }

  /** Cannot fail. */
  private void list(ThreadRecord record) {
    ThreadRecord earlier = byTid.put(record);
    if (earlier != null) {
      earlier.supersede();
    }
    live.add(record);
  }

  /** {@return a record that nobody else knows, with a page that is not prepared} */
  private ThreadRecord lease() {
    if (!pages.haveFree()) {
      ends.releaseUnreachable();
      if (ends.isDue()) {
        ends.releaseEnded();
      }
    }
    MemorySegment page = pages.take();
    boolean leased = false;
    try {
      ThreadRecord record = new ThreadRecord(registry, page);
      leased = true;
      return record;
    } finally {
      if (!leased) {
        pages.release(page);
      }
    }
  }

  /** {@return a page for a thread that was not started} */
  ThreadPage reserve() {
    ThreadRecord record = lease();
    boolean reserved = false;
    try {
      ThreadPage page = record.newHold(0);
      Ending unstarted = endings.add(page);
      record.set(new Reserved(unstarted));
      reserved = true;
      return page;
    } finally {
      if (!reserved) {
        pages.release(record.page);
      }
    }
  }

  /**
   * A reserved page's thread has reached its first step.
   *
   * @param begun its state, or null if it has another page
   */
  void begin(ThreadRecord record, Reserved reserved, @Nullable Java begun) {
    if (begun == null) {
      record.end();
      endings.remove(reserved.unstarted);
      ends.releaseIfUnused(record);
      return;
    }
    DataPage.prepare(record.page);
    record.unfit = pages.isAbandoned(record.page);
    record.begin(begun);
    endings.remove(reserved.unstarted);
    list(record);
    registry.maps.register(record);
  }

  /**
   * {@return the page of a thread that Java did not know until now}
   *
   * @param listed the id of its list, or 0 for none
   */
  ThreadPage attach(ThreadRecord record, Task task, long listed) {
    if (record.unfit) {
      return attach(move(record).record, task, listed);
    }
    Native before = (Native) record.state();
    Attached attached = new Attached(task, listed, before.task());
    ThreadPage page = record.newHold(listed);
    record.attach(attached);
    if (listed != 0) {
      lists.add(page);
    }
    return page;
  }

  /** {@return a page for a thread that has to leave its own, with the same values} */
  ThreadPage move(ThreadRecord from) {
    ThreadRecord record = lease();
    boolean moved = false;
    try {
      ThreadState before = from.state();
      ThreadPage page = record.newHold(before.threadId());
      ThreadState state = before instanceof Native each ? new Native(each.task(), page) : before;
      MemorySegment ignored = record.page.copyFrom(from.page);
      live.remove(from);
      lists.remove(before.threadId());
      enter(record, state, page);
      from.end();
      moved = true;
      return page;
    } finally {
      if (!moved) {
        pages.release(record.page);
      }
    }
  }

  /** {@return the record of the calling thread as one that Java does not know, or null} */
  @Nullable ThreadRecord nativeOf(int tid) {
    try {
      ThreadRecord record = latest(tid);
      return record != null
              && record.state() instanceof Native known
              && kernel.isAlive(known.task())
          ? record
          : null;
    } catch (KernelException e) {
      return null; // not known: a page of its own is never wrong
    }
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

  /** {@return the record of a kernel task, or of one that had its tid before} */
  private @Nullable ThreadRecord latest(int tid) {
    ThreadRecord record = byTid.get(tid);
    if (record != null && !(record.state() instanceof Native) && !ends.isAlive(record)) {
      ends.end(record); // it has ended in Java, and this is the first look since
    }
    return byTid.get(tid);
  }

  /** From now on the page may be in use after the end of its thread. */
  void escape(ThreadPage page) {
    if (!page.escaped) {
      Ending ignored = endings.add(page);
      page.escaped = true;
      ends.releaseUnreachable();
    }
  }

  /**
   * Checks, before the first map is opened, the pages that were leased until then. Those of which
   * BPF must not be given any are left by their threads, each at its next access.
   *
   * @throws KernelException if they cannot be checked; the next call tries again
   */
  void checkPages() {
    for (MemorySegment block : arena.checkEarly()) {
      if (!pages.isAbandoned(block)) {
        pages.abandon(block);
      }
    }
    for (ThreadRecord each = live.first(); each != null; each = each.next) {
      if (!each.unfit && pages.isAbandoned(each.page)) {
        leave(each);
      }
    }
  }

  private void leave(ThreadRecord record) {
    record.unfit = true;
    ThreadPage hold = record.lastHold();
    if (hold != null) {
      hold.takeAway();
    }
    Task task = record.state().task();
    Thread thread = task == null ? null : task.liveThread();
    if (thread != null) {
      registry.leaver.accept(thread);
    }
  }

  /** {@return the first thread that has not ended, from which the others follow; or null} */
  @Nullable ThreadRecord first() {
    return live.first();
  }

  /** {@return the first thread from this one on that has not ended, or null} */
  @Nullable ThreadRecord from(@Nullable ThreadRecord record) {
    return live.from(record);
  }

  int pages() {
    return pages.count();
  }
}
