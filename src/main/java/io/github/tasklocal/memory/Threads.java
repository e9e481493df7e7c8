// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.StackSpace;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.memory.ThreadState.Attached;
import io.github.tasklocal.memory.ThreadState.Java;
import io.github.tasklocal.memory.ThreadState.Native;
import io.github.tasklocal.memory.ThreadState.Reserved;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
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
  private final ThreadLists lists;
  private final SharedData data;
  private final Pages pages;

  /** Those that have not ended. */
  private final RecordList live = new RecordList();

  private final RecordTable byTid = new RecordTable();
  final Ends ends;
  final ThreadSearch search;
  final UnfitPages unfit;
  final Moves moves;

  /** The number of the last place that is known. */
  private long known;

  Threads(Registry registry, ThreadLists lists, LongSupplier clock) {
    this.registry = registry;
    this.lists = lists;
    this.data = registry.data;
    PageArena arena = new PageArena(registry.kernel, data);
    this.pages = new Pages(registry.kernel, arena, registry.served, data, GRACE_NANOS, clock);
    this.ends = new Ends(registry, lists, live, byTid, pages);
    this.search = new ThreadSearch(registry.kernel, byTid, ends);
    this.unfit = new UnfitPages(data, arena, pages, live);
    this.moves = new Moves(registry.served, data);
  }

  /** Learns of the threads that other copies of the library have met. */
  void catchUp() {
    if (data.newest() == known) {
      return;
    }
    StackSpace.require();
    if (ends.isDue()) {
      ends.releaseSomeEnded();
    }
    Object next;
    for (Place each = data.after(known);
        each != null;
        each = next == null ? null : new Place(next)) {
      next = each.next();
      meet(each);
      known = each.number();
    }
    known = data.newest(); // others have ended again
  }

  private void meet(Place place) {
    Task task = place.task();
    ThreadRecord record = new ThreadRecord(registry, place.page(data.slotBytes()), place);
    ThreadState state =
        place.isOfKernelTask() ? new Native(task, record.newHold(0)) : new Java(task, 0);
    record.set(state);
    list(record);
  }

  /** {@return the page of a thread that has had none} */
  ThreadPage enter(ThreadState state) {
    ThreadRecord record = lease();
    ThreadPage page;
    boolean entered = false;
    try {
      page = record.newHold(state.threadId());
      DataPage.prepare(record.page);
      enter(record, state, page);
      entered = true;
    } finally {
      if (!entered) {
        pages.release(record.page.address());
      }
    }
    registry.maps.register(record);
    return page;
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
    } finally {
      if (!entered) {
        pages.release(record.page.address());
      }
    }
    registry.maps.register(record);
    return record;
  }

  /** Cannot fail. */
  private void enter(ThreadRecord record, ThreadState state, ThreadPage page) {
    record.set(state);
    listEverywhere(record);
    if (page.threadId != 0) {
      lists.add(page);
    }
  }

  /** Cannot fail. */
  private void listEverywhere(ThreadRecord record) {
    Task task = record.state().task();
    if (task != null) {
      // No switch: the first one over types takes a program that starts some 10 ms.
      Task ofKernel = record.state() instanceof Native ? task : null;
      if (record.state() instanceof Attached attached) {
        ofKernel = attached.kernel();
        if (ofKernel == null) {
          record.place.makeUnsure();
        }
      }
      record.place.begin(task, ofKernel);
      data.list(record.place);
      known = record.place.number();
    }
    list(record);
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
      StackSpace.require();
      ends.releaseUnreachable();
      if (ends.isDue()) {
        ends.releaseSomeEnded();
      }
    }
    MemorySegment page = pages.take();
    boolean leased = false;
    try {
      ThreadRecord record = new ThreadRecord(registry, page, Place.of(page));
      leased = true;
      return record;
    } finally {
      if (!leased) {
        pages.release(page.address());
      }
    }
  }

  /** {@return a page for a thread that was not started} */
  ThreadPage reserve() {
    ThreadRecord record = lease();
    Reference<Object> unstarted = null;
    boolean reserved = false;
    try {
      ThreadPage page = record.newHold(0);
      unstarted = data.watch(page, record.place);
      record.set(new Reserved(unstarted));
      reserved = true;
      return page;
    } finally {
      if (!reserved) {
        if (unstarted != null) {
          data.forget(unstarted, record.place); // or it would be given back once more
        }
        pages.release(record.page.address());
      }
    }
  }

  /** A reserved page's thread begins, in a state that is null if it has another page. */
  void begin(ThreadRecord record, Reserved reserved, @Nullable Java begun) {
    if (begun == null) {
      record.end();
      data.forget(reserved.unstarted, record.place);
      ends.releaseIfUnused(record.place);
      return;
    }
    DataPage.prepare(record.page);
    if (pages.isAbandoned(record.page.address())) {
      record.place.makeUnfit();
    }
    record.begin(begun);
    data.forget(reserved.unstarted, record.place);
    listEverywhere(record);
    registry.maps.register(record);
  }

  /** {@return the page of a thread that Java did not know until now, as {@link #meet}} */
  ThreadPage attach(ThreadRecord record, Task task, long listed) {
    if (moves.hasTo(record)) {
      return attach(move(record).record, task, listed);
    }
    Native before = (Native) record.state();
    Attached attached = new Attached(task, listed, before.task());
    ThreadPage page = record.newHold(listed);
    record.attach(attached);
    record.place.attach(task.thread());
    if (listed != 0) {
      lists.add(page);
    }
    return page;
  }

  /**
   * Has the calling thread's page, whose address it is going to say, belong to its kernel task,
   * which may outlive the thread: that of {@code main} lives as long as the process. It goes on
   * belonging to the thread where the kernel does not tell of the task.
   */
  void keepWithTask(ThreadRecord record) {
    Task kernel =
        record.state() instanceof Java java ? registry.kernel.task(java.task().tid()) : null;
    if (kernel != null && record.state() instanceof Java java) {
      record.keep(new Attached(java.task(), java.threadId(), kernel));
      record.place.keep(kernel);
    }
    record.place.tell();
  }

  /**
   * {@return the page of a thread of Java's that only other copies of the library have met}
   *
   * @param listed the id of its list, or 0 for none
   */
  ThreadPage meet(ThreadRecord record, Task task, long listed) {
    if (moves.hasTo(record)) {
      return meet(move(record).record, task, listed);
    }
    Java list = new Java(task, listed);
    ThreadPage page = record.newHold(listed);
    record.list(list);
    if (listed != 0) {
      lists.add(page);
    }
    return page;
  }

  /** {@return a page for a thread that has to leave its own, with the same values} */
  ThreadPage move(ThreadRecord from) {
    ThreadRecord record = lease();
    ThreadPage page;
    boolean moved = false;
    try {
      ThreadState before = from.state();
      page = record.newHold(before.threadId());
      ThreadState state = before instanceof Native each ? new Native(each.task(), page) : before;
      unfit.takeAway(from);
      MemorySegment ignored = record.page.copyFrom(from.page);
      record.place.comesFrom(from.place);
      live.remove(from);
      lists.remove(before.threadId());
      enter(record, state, page);
      moved = true;
      from.end();
      ends.endPlace(from.place);
    } finally {
      if (!moved) {
        pages.release(record.page.address());
      }
    }
    registry.maps.register(record);
    return page;
  }

  /** {@return the first thread that has not ended, from which the others follow; or null} */
  @Nullable ThreadRecord first() {
    return live.first();
  }

  /** {@return the first from this one on} */
  @Nullable ThreadRecord from(@Nullable ThreadRecord record) {
    return live.from(record);
  }

  /** {@return what takes this copy's own copies of a page's address away} */
  UnfitPages.Leaver leaver(Consumer<Thread> more) {
    return new UnfitPages.Leaver(live, more);
  }

  int pages() {
    return pages.count();
  }
}
