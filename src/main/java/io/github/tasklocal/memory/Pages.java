// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;

/**
 * Whole pages that hold nothing but task local data. They never go back to an allocator, which
 * could give them to something else while the kernel still writes there.
 */
public final class Pages {

  /** Few enough not to waste memory, many enough to keep the padding of a block small. */
  private static final int BLOCK = 16;

  private static final MemoryLayout PAGE =
      MemoryLayout.sequenceLayout(DataPage.SIZE, ValueLayout.JAVA_BYTE);

  private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();

  /** {@return a zeroed, page-aligned page that nobody else has} */
  public synchronized MemorySegment take() {
    if (free.isEmpty()) {
      MemorySegment block = Arena.global().allocate((long) BLOCK * DataPage.SIZE, DataPage.SIZE);
      block.elements(PAGE).forEach(free::add);
    }
    return free.remove();
  }

  /**
   * Takes a page back.
   *
   * @param page zeroed, and no longer known to the kernel
   */
  synchronized void giveBack(MemorySegment page) {
    free.push(page);
  }
}
