// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.util.List;
import java.util.function.Consumer;

/**
 * Has threads leave the pages that BPF must not be given, each at its next access. Under the
 * registry's lock.
 */
final class UnfitPages {

  private final SharedData data;
  private final PageArena arena;
  private final Pages pages;
  private final RecordList live;

  UnfitPages(SharedData data, PageArena arena, Pages pages, RecordList live) {
    this.data = data;
    this.arena = arena;
    this.pages = pages;
    this.live = live;
  }

  /**
   * {@return the blocks to be checked before the first map is opened} None is added from now on.
   */
  List<long[]> unchecked() {
    return arena.early();
  }

  /** Has the threads in some of those blocks leave them; the others are right. */
  void checked(List<long[]> wrong) {
    arena.checked(wrong);
    if (wrong.isEmpty()) {
      return;
    }
    pages.dropAbandoned();
    for (ThreadRecord each = live.first(); each != null; each = each.next) {
      if (!each.place.isUnfit() && pages.isAbandoned(each.page.address())) {
        leave(each);
      }
    }
  }

  private void leave(ThreadRecord record) {
    record.place.makeUnfit();
    takeAway(record);
  }

  /** Makes a page's thread ask for its page anew, in every copy of the library. Cannot fail. */
  void takeAway(ThreadRecord record) {
    for (int i = 0; i < data.leavers.size(); i++) {
      Consumer<Object> each = data.leavers.get(i).get();
      if (each instanceof Leaver own && own.live == live) {
        own.take(record); // does not look for it
      } else if (each != null) {
        each.accept(record.place.data());
      }
    }
  }

  /** Takes this copy's own copies of a page's address away. Cannot fail. */
  record Leaver(RecordList live, Consumer<Thread> more) implements Consumer<Object> {
    @Override
    public void accept(Object place) {
      for (ThreadRecord each = live.first(); each != null; each = each.next) {
        if (each.place.is(place)) {
          take(each);
        }
      }
    }

    /** The same for all threads that Java knows. Cannot fail. */
    void takeAll() {
      for (ThreadRecord each = live.first(); each != null; each = each.next) {
        if (!(each.state() instanceof ThreadState.Native)) {
          take(each);
        }
      }
    }

    private void take(ThreadRecord record) {
      ThreadPage hold = record.lastHold();
      if (hold != null) {
        hold.takeAway();
      }
      Thread thread = record.place.thread();
      if (thread != null) {
        more.accept(thread);
      }
    }
  }
}
