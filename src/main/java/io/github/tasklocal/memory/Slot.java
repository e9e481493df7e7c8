// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Task;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;

/**
 * A thread with a page, as the registry knows it. It keeps neither the thread nor the page held,
 * but for a thread that Java does not know. Under the registry's lock, but for {@link #escaped}.
 */
final class Slot {

  final MemorySegment page;

  /** Changes once at most: when a native thread turns out to be one of Java's, too. */
  Task task;

  /** Of the thread in Java, or 0. */
  long threadId;

  /** Keeps the page of a thread that has no {@code ThreadLocal} to do so. */
  @Nullable ThreadPage keep;

  /** How many {@link ThreadPage}s of this slot may be reachable. */
  int holds;

  /** The one that was made last. */
  private WeakReference<ThreadPage> hold = new WeakReference<>(null);

  /** Whether the kernel was ever given this page for the thread. */
  boolean shared;

  /** Whether the page has been taken back, while references of it wait to be enqueued. */
  boolean takenBack;

  /**
   * Whether a {@link ThreadPage} went to anything but its own thread, so that the collector has to
   * say when the last is gone. Written by the thread itself or under the lock, and read once the
   * thread has ended.
   */
  boolean escaped;

  Slot(MemorySegment page, Task task) {
    this.page = page;
    this.task = task;
  }

  /** {@return the hold that was made last, if it is reachable} */
  @Nullable ThreadPage hold() {
    return hold.get();
  }

  void hold(ThreadPage made) {
    hold = new WeakReference<>(made);
    holds++;
  }
}
