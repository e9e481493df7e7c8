// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.memory.ThreadState.Attached;
import io.github.tasklocal.memory.ThreadState.Native;
import org.jspecify.annotations.Nullable;

/**
 * The ends of threads, and the release of their pages. A page is released when its thread has ended
 * and nothing holds it ({@link ThreadPage}) any more. The {@link Keeper}, and any thread that finds
 * no free page, look for ended threads; the garbage collector finds unreachable holds that have
 * escaped from their threads. Under the registry's lock.
 */
final class Ends {

  /**
   * How many threads that Java does not know are checked each time; each takes the read of a file.
   */
  static final int NATIVES = 64;

  /** How many threads {@link #releaseSomeEnded} checks. */
  static final int STEP = 4096;

  private final Registry registry;
  private final Kernel kernel;
  private final SharedData data;
  private final Leftovers leftovers;
  private final ThreadLists lists;
  private final RecordList live;
  private final RecordTable byTid;
  private final Pages pages;

  /** How many threads there have to be before it is worth looking for ended ones again. */
  private int lookAt;

  /** The thread at which the next look begins, if any. */
  private @Nullable ThreadRecord next;

  Ends(Registry registry, ThreadLists lists, RecordList live, RecordTable byTid, Pages pages) {
    this.registry = registry;
    this.kernel = registry.kernel;
    this.data = registry.data;
    this.leftovers = registry.leftovers;
    this.lists = lists;
    this.live = live;
    this.byTid = byTid;
    this.pages = pages;
  }

  /** {@return whether it is worth looking for ended threads} */
  boolean isDue() {
    return live.size() >= lookAt;
  }

  boolean isAlive(ThreadRecord record) {
    Task task = record.state().task();
    return task != null && !record.place.isOver() && kernel.isAlive(task);
  }

  /** Releases the pages of ended threads whose last escaped hold is gone. */
  void releaseUnreachable() {
    for (Place each = data.unreachable(); each != null; each = data.unreachable()) {
      releaseIfUnused(each);
    }
  }

  /**
   * Takes the entries of ended threads out, and releases their pages if nothing holds them. Each
   * call checks {@value #STEP} of the threads at most, and few of those that Java does not know;
   * and all in rotation: others wait for the lock meanwhile.
   */
  void releaseSomeEnded() {
    int before = live.size();
    int steps = Math.min(before, STEP);
    int natives = 0;
    ThreadRecord skipped = null;
    ThreadRecord each = inRotation(next);
    for (int i = 0; i < steps && each != null; i++) {
      ThreadRecord after = each.next;
      if (!(each.state() instanceof Native) || natives++ < NATIVES) {
        endIfOver(each);
      } else if (skipped == null) {
        skipped = each;
      }
      each = inRotation(after);
    }
    next = skipped == null ? each : skipped;
    int left = live.size();
    boolean sawAll = steps == before && skipped == null;
    // If some of the checked ones had ended, others may have too.
    lookAt = !sawAll && left < before ? 0 : left + Math.min(left, STEP) / 4;
  }

  private @Nullable ThreadRecord inRotation(@Nullable ThreadRecord from) {
    ThreadRecord found = live.from(from);
    return found == null ? live.first() : found;
  }

  /** Ends a thread of which nobody has seen yet that it has ended. */
  void endIfOver(ThreadRecord record) {
    try {
      if (!isAlive(record)) {
        end(record);
      }
    } catch (KernelException e) {
      // Not known, for instance because no descriptor is left: the next look may tell.
    }
  }

  void end(ThreadRecord record) {
    if (record.hasEnded()) {
      return;
    }
    if (record.place.isOver()) {
      forget(record); // another copy of the library has seen to everything
      return;
    }
    registry.maps.know(record); // here, where it may fail
    if (record.state() instanceof Attached attached) {
      Task task = attached.kernel();
      if (task != null && kernel.isAlive(task)) {
        detach(record, attached, task);
        return;
      }
    }
    if (data.packed() && record.place.isUnsure() && record.place.isGiven()) {
      // A program may remember the part of a task of which nobody can tell whether it has ended.
      record.place.makeUnfit();
    }
    forget(record);
    leftovers.add(record);
    endPlace(record.place);
  }

  private void forget(ThreadRecord record) {
    live.remove(record);
    byTid.remove(record);
    lists.remove(record.state().threadId());
    record.end();
  }

  /** No thread uses a page any more, though something may hold it. Cannot fail. */
  void endPlace(Place place) {
    place.end();
    data.unlist(place);
    releaseIfUnused(place);
  }

  /** Cannot fail. */
  void releaseIfUnused(Place place) {
    if (!place.release() || place.isUnfit()) {
      return;
    }
    if (!place.isGiven()) {
      pages.release(place.address());
    } else if (data.packed()) {
      pages.retire(place.address());
    } else {
      pages.releaseShared(place.address());
    }
  }

  /** The Java side of such a thread has ended; its task lives on and keeps the values. */
  private void detach(ThreadRecord record, Attached before, Task task) {
    ThreadPage keep = record.newHold(0);
    Native after = new Native(task, keep);
    lists.remove(before.threadId());
    record.detach(after);
    record.place.attach(null);
  }
}
