// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A hold on a thread's page: as long as it is reachable, from its thread or from anything bound to
 * it, the page serves no other thread.
 */
@SuppressWarnings("restricted")
public final class ThreadPage {

  /** Where the page begins. */
  public final long address;

  /** Confined to the page's thread; made at its first use, by that thread. */
  private @Nullable MemorySegment segment;

  ThreadPage(long address) {
    this.address = address;
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
}
