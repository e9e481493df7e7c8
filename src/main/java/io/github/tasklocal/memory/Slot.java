// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Task;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;

/**
 * A thread with a page, as the registry knows it. It keeps neither the thread nor the hold on its
 * page reachable, but for a thread that Java does not know. Under the registry's lock.
 */
final class Slot {

  final MemorySegment page;

  /** The thread; of one that attaches to the JVM, its Java side as long as that lives. */
  Task task;

  /**
   * The same thread as the kernel knows it, if what it has belongs to the task: it had this page
   * before it attached, or threads share pages, of which BPF programs keep where in one a task's
   * values start.
   */
  @Nullable Task nativeTask;

  /** Of the thread in Java, or 0. */
  long threadId;

  /** As long as the thread has a page and was not started. */
  ThreadPages.@Nullable Ending unstarted;

  /** Of a thread that Java does not know; those of the others are in the registry's lists. */
  @Nullable ThreadPage keep;

  /** How many holds may be reachable from elsewhere than the thread itself. */
  int escapedHolds;

  /** Whether the thread has ended, and the registry forgotten it. */
  boolean ended;

  /** Whether the kernel was ever given this page for the thread. */
  boolean shared;

  /** Whether the thread is between {@code start()} and its own first step. */
  boolean starting;

  /**
   * In how many maps an entry that points to the page could not be taken out, so far or for ever.
   */
  int left;

  private WeakReference<ThreadPage> hold = new WeakReference<>(null);

  Slot(MemorySegment page, Task task, long threadId) {
    this.page = page;
    this.task = task;
    this.threadId = threadId;
  }

  /**
   * Makes the next hold another one: the last may have segments that are one thread's alone, and
   * stands in its list.
   */
  void renewHold() {
    hold = new WeakReference<>(null);
  }

  /** {@return a hold on the page, the same as before if that is still reachable} */
  ThreadPage hold() {
    ThreadPage page = hold.get();
    if (page == null) {
      page = new ThreadPage(this);
      hold = new WeakReference<>(page);
    }
    return page;
  }
}
