// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/**
 * A hold on a thread's page: as long as it is reachable, from its thread or from anything bound to
 * it, the page serves no other thread.
 */
@SuppressWarnings("restricted")
public final class ThreadPage {

  /** Where the page begins. */
  public final long address;

  final Slot slot;

  /** Set under the registry's lock; who uses the page may look without it. */
  boolean escaped;

  /** Confined to the page's thread; made at its first use, by that thread. */
  private @Nullable MemorySegment segment;

  ThreadPage(Slot slot) {
    this.address = slot.page.address();
    this.slot = slot;
  }

  /** {@return this, which may be reachable from now on after the end of the thread} */
  public ThreadPage escaping() {
    if (!escaped) {
      ThreadPages.escape(this);
    }
    return this;
  }

  /** Ends what {@link ThreadPages#borrow} began. */
  public void giveBack() {
    ThreadPages.giveBack(this);
  }

  /** {@return a slice of the page, confined to the calling thread, whose page this is} */
  @SuppressWarnings("MustBeClosedChecker") // the page is never freed; confinement is all we want
  public MemorySegment slice(long offset, long size) {
    if (segment == null) {
      segment =
          MemorySegment.ofAddress(address).reinterpret(DataPage.SIZE, Arena.ofConfined(), null);
    }
    return segment.asSlice(offset, size);
  }

  /** {@return a slice of the page for every thread, which holds the page while it is reachable} */
  public MemorySegment sharedSlice(long offset, long size) {
    return MemorySegment.ofAddress(address + offset)
        .reinterpret(size, Arena.ofAuto(), ignored -> Reference.reachabilityFence(this));
  }
}
