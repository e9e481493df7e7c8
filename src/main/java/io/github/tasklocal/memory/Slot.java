// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;

/** A thread with a page, as the registry knows it; it does not keep the thread or the page held. */
final class Slot {

  final MemorySegment page;
  final long threadId;

  /** The kernel's id of the thread, or 0 where there is none. */
  final int tid;

  private final WeakReference<Thread> thread;

  /** How many {@link ThreadPage}s of this slot may be reachable. */
  int holds;

  /** Whether the kernel was ever given this page for the thread. */
  boolean shared;

  Slot(MemorySegment page, Thread thread, int tid) {
    this.page = page;
    this.threadId = thread.threadId();
    this.tid = tid;
    this.thread = new WeakReference<>(thread);
  }

  /** {@return the thread, or null once it has ended} */
  @Nullable Thread liveThread() {
    Thread t = thread.get();
    return t != null && t.isAlive() ? t : null;
  }
}
