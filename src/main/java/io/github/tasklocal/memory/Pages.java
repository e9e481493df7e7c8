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
  private int count;

  /**
   * {@return a zeroed, page-aligned page that nobody else has}
   *
   * @throws OutOfMemoryError if the system gives this process no more memory; a later call may work
   */
  public synchronized MemorySegment take() {
    if (free.isEmpty() && !allocate(BLOCK) && !allocate(1)) {
      throw new OutOfMemoryError(
          "the system gives this process no memory for another page of task local data ("
              + DataPage.SIZE
              + " bytes for each thread that uses a key, "
              + count
              + " pages so far); raise its limit (ulimit -v, the container's memory), the thread's"
              + " next use of a key tries again");
    }
    return free.remove();
  }

  private boolean allocate(int pages) {
    MemorySegment block;
    try {
      block = Arena.global().allocate((long) pages * DataPage.SIZE, DataPage.SIZE);
    } catch (OutOfMemoryError e) {
      return false;
    }
    block.elements(PAGE).forEach(free::add);
    count += pages;
    return true;
  }

  /**
   * Takes a page back.
   *
   * @param page zeroed, and no longer known to the kernel
   */
  synchronized void giveBack(MemorySegment page) {
    free.push(page);
  }

  /** {@return whether the next {@link #take} needs no new memory} */
  synchronized boolean haveFree() {
    return !free.isEmpty();
  }

  /** {@return how many pages were taken from the system, in use or free} */
  synchronized int count() {
    return count;
  }
}
