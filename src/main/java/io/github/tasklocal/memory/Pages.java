// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;

/**
 * Memory for threads' values: whole pages, or equal parts of pages that hold nothing else. Pages
 * never go back to an allocator, which could give them to something else while BPF programs still
 * write there.
 */
public final class Pages {

  /** How many pages a block has: few, to waste no memory, but enough that its padding is small. */
  private static final int BLOCK = 16;

  private final int bytes;
  private final long graceNanos;
  private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();

  /** Parts to which a BPF program may still write for a moment, the earliest first. */
  private final ArrayDeque<Retired> retired = new ArrayDeque<>();

  private int count;

  private record Retired(MemorySegment part, long nanos) {}

  /** Makes whole pages. */
  public Pages() {
    this(DataPage.SIZE, 0);
  }

  /**
   * Makes pages or parts of them.
   *
   * @param bytes the size of each, a power of two of at most a page
   * @param graceNanos how long a {@link #retire retired} one is not reused
   */
  Pages(int bytes, long graceNanos) {
    this.bytes = bytes;
    this.graceNanos = graceNanos;
  }

  /** {@return a zeroed page of its own} */
  static MemorySegment whole() {
    return Arena.global().allocate(DataPage.SIZE, DataPage.SIZE);
  }

  /**
   * {@return a zeroed page, or part of one, aligned to its size, that nobody else has}
   *
   * @throws OutOfMemoryError if the system gives this process no more memory; a later call may work
   */
  public synchronized MemorySegment take() {
    if (!free.isEmpty()) {
      return free.remove();
    }
    if (rested()) {
      return retired.remove().part().fill((byte) 0);
    }
    if (!allocate(BLOCK) && !allocate(1)) {
      throw new OutOfMemoryError(
          "the system gives this process no memory for another page of task local data ("
              + bytes
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
    for (long offset = 0; offset < block.byteSize(); offset += bytes) {
      free.add(block.asSlice(offset, bytes));
    }
    count += pages;
    return true;
  }

  /**
   * Takes a page, or part of one, back.
   *
   * @param page zeroed, and no longer known to the kernel
   */
  synchronized void giveBack(MemorySegment page) {
    free.push(page);
  }

  /**
   * Takes a part back whose entries were taken out, but which BPF programs may still reach for a
   * moment. It is not reused before the grace period is over.
   */
  synchronized void retire(MemorySegment part) {
    retired.add(new Retired(part, System.nanoTime()));
  }

  private boolean rested() {
    Retired first = retired.peek();
    return first != null && System.nanoTime() - first.nanos() >= graceNanos;
  }

  /** {@return whether the next {@link #take} needs no new memory} */
  synchronized boolean haveFree() {
    return !free.isEmpty() || rested();
  }

  /** {@return how many pages were taken from the system, in use or free} */
  synchronized int count() {
    return count;
  }
}
