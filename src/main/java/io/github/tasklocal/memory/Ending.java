// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import org.jspecify.annotations.Nullable;

/**
 * Tells that a hold which has escaped from its thread is unreachable. Under the registry's lock.
 */
final class Ending extends PhantomReference<ThreadPage> {

  final ThreadRecord record;

  private @Nullable Ending previous;
  private @Nullable Ending next;

  private Ending(ThreadPage hold, ReferenceQueue<ThreadPage> queue) {
    super(hold, queue);
    this.record = hold.record;
  }

  /** Keeps the references reachable until they are enqueued. Removing one cannot fail. */
  static final class List {
    private final ReferenceQueue<ThreadPage> queue = new ReferenceQueue<>();
    private @Nullable Ending first;

    /** {@return a new one, which counts as a hold of its thread's} */
    Ending add(ThreadPage hold) {
      Ending ending = new Ending(hold, queue);
      ending.next = first;
      if (first != null) {
        first.previous = ending;
      }
      first = ending;
      hold.record.holds++;
      return ending;
    }

    void remove(Ending ending) {
      ending.clear();
      Ending before = ending.previous;
      Ending after = ending.next;
      if (before != null) {
        before.next = after;
      } else if (first == ending) {
        first = after;
      } else {
        return; // was removed before
      }
      if (after != null) {
        after.previous = before;
      }
      ending.previous = null;
      ending.next = null;
      ending.record.holds--;
    }

    /** {@return the next one whose hold is unreachable, or null} */
    @Nullable Ending poll() {
      return (Ending) queue.poll();
    }
  }
}
