// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Task;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/**
 * Where a thread with a page is in its life; {@link ThreadRecord} has the ways from one to another.
 *
 * <pre>{@code
 * reserve()          first()            borrow()
 *    |                  |                  |
 *    v      begin       v                  v    attach
 * Reserved -----------> Java            Native <=======> Attached
 *    |                  |                  |    detach      |
 *    |                  v                  |                |
 *    +---------------> ENDED <-------------+----------------+
 * }</pre>
 *
 * Where threads share pages, or tell where theirs begin, {@code first()} leads to {@code Attached}.
 */
sealed interface ThreadState {

  /** {@return the thread, or null if none runs} */
  default @Nullable Task task() {
    return null;
  }

  /** {@return the id of the thread in Java in whose list its page is, or 0} */
  default long threadId() {
    return 0;
  }

  /** A {@code TaskLocalThread} that was not started, or has not reached its first step. */
  final class Reserved implements ThreadState {

    /** Tells that nobody can reach the page any more. */
    final Reference<Object> unstarted;

    /** Whether {@code start()} was called. */
    boolean starting;

    Reserved(Reference<Object> unstarted) {
      this.unstarted = unstarted;
    }
  }

  /** A thread of Java's; its page goes with it, even if its kernel task lives on. */
  record Java(Task task, long threadId) implements ThreadState {}

  /**
   * A thread of Java's whose page belongs to its kernel task: the task had the page before the
   * thread attached to the virtual machine; or threads share pages, and then BPF programs remember
   * where a task's values start; or the thread has told others where its page begins ({@link
   * Registry#arrivals}), which its task goes on saying after the thread's end.
   *
   * @param kernel the same thread as the kernel knows it; null if that could not be read
   */
  record Attached(Task task, long threadId, @Nullable Task kernel) implements ThreadState {}

  /**
   * A thread that Java does not know.
   *
   * @param keep the hold on its page, which nothing in Java keeps
   */
  record Native(Task task, ThreadPage keep) implements ThreadState {}

  /** The thread has ended, or will never run. */
  enum Over implements ThreadState {
    ENDED
  }
}
