// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Task;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;

/**
 * A thread with a page, as the registry knows it. It keeps neither the thread nor the hold on its
 * page reachable, except the hold of a thread that Java does not know. Under the registry's lock.
 */
final class Slot {

  final MemorySegment page;

  /** The thread; for a native thread that is attached to the JVM, its Java side. */
  Task task;

  /**
   * The same thread as the kernel knows it, if the page belongs to the task: either the task had it
   * before the thread attached, or threads share pages, and then BPF programs remember where a
   * task's values start.
   */
  @Nullable Task nativeTask;

  /** Of the thread in Java, or 0. */
  long threadId;

  /** The hold of a thread that has a page and was not started yet; otherwise null. */
  ThreadPages.@Nullable Ending unstarted;

  /** The hold of a thread that Java does not know; other holds are in the registry's lists. */
  @Nullable ThreadPage keep;

  /** How many holds may be reachable from other places than the thread itself. */
  int escapedHolds;

  /** Whether the thread has ended, and the registry has forgotten it. */
  boolean ended;

  /** Whether the kernel was ever given this page for the thread. */
  boolean shared;

  /** Whether the thread is between {@code start()} and the start of its {@code run()}. */
  boolean starting;

  /** How many maps have an entry for the page that could not be taken out, so far or for ever. */
  int left;

  private WeakReference<ThreadPage> hold = new WeakReference<>(null);

  Slot(MemorySegment page, Task task, long threadId) {
    this.page = page;
    this.task = task;
    this.threadId = threadId;
  }

  /**
   * Makes the next hold a new one: the last may have segments that are confined to one thread, and
   * is in its list.
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
