// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Memory for threads' values: whole pages, or equal parts of pages that hold nothing else. Pages
 * never go back to an allocator, which could give them to something else while BPF programs still
 * write there. Under the registry's lock.
 *
 * <p>What is taken here is not zeroed: its thread does that, and so is the first to touch it.
 */
@SuppressWarnings("restricted")
final class Pages {

  /** How many pages a block has: few, to waste no memory, but enough that its padding is small. */
  private static final int BLOCK = 16;

  private final Kernel kernel;
  private final Arena arena;
  private final int bytes;
  private final long graceNanos;
  private final LongSupplier clock;

  /** Addresses, a stack. There is room for all that were ever allocated, so that no push fails. */
  private long[] free = {};

  private int freeCount;

  /**
   * Parts to which a BPF program may still write for a moment, a ring, with the time of each; with
   * as much room.
   */
  private long[] retired = {};

  private long[] retiredAt = {};
  private int retiredFirst;
  private int retiredCount;

  /** What BPF must not be given, and no other thread either. */
  private final List<MemorySegment> abandoned = new ArrayList<>();

  private volatile int count;

  /**
   * Makes pages or parts of them.
   *
   * @param arena allocates whole pages
   * @param bytes the size of each, a power of two of at most a page
   * @param graceNanos how long a {@link #retire retired} one is not reused
   * @param clock in nanoseconds
   */
  Pages(Kernel kernel, Arena arena, int bytes, long graceNanos, LongSupplier clock) {
    this.kernel = kernel;
    this.arena = arena;
    this.bytes = bytes;
    this.graceNanos = graceNanos;
    this.clock = clock;
  }

  /**
   * {@return a page, or part of one, aligned to its size, that nobody else has}
   *
   * @throws OutOfMemoryError if the system gives this process no more memory; a later call may work
   */
  MemorySegment take() {
    if (freeCount == 0 && !hasRested()) {
      allocate();
    }
    boolean isFree = freeCount > 0;
    long address = isFree ? free[freeCount - 1] : retired[retiredFirst];
    MemorySegment page = MemorySegment.ofAddress(address).reinterpret(bytes);
    if (isFree) {
      freeCount--;
    } else {
      retiredFirst = (retiredFirst + 1) % retired.length;
      retiredCount--;
    }
    return page;
  }

  private void allocate() {
    MemorySegment block = allocate(BLOCK);
    if (block == null) {
      block = allocate(1);
    }
    if (block == null) {
      throw new OutOfMemoryError(
          "the system gives this process no memory for another page of task local data ("
              + bytes
              + " bytes for each thread that uses a key, "
              + count
              + " pages so far); raise its limit (ulimit -v, the container's memory), the thread's"
              + " next use of a key tries again");
    }
    for (long offset = block.byteSize() - bytes; offset >= 0; offset -= bytes) {
      free[freeCount++] = block.address() + offset;
    }
    int before = count; // changed under the lock
    count = before + (int) (block.byteSize() / DataPage.SIZE);
  }

  private @Nullable MemorySegment allocate(int pages) {
    int room = (count + pages) * (DataPage.SIZE / bytes);
    if (free.length < room) {
      int enough = Math.max(room, free.length * 2);
      long[] moreFree = Arrays.copyOf(free, enough);
      long[] moreRetired = new long[enough];
      long[] moreRetiredAt = new long[enough];
      for (int i = 0; i < retiredCount; i++) {
        moreRetired[i] = retired[(retiredFirst + i) % retired.length];
        moreRetiredAt[i] = retiredAt[(retiredFirst + i) % retired.length];
      }
      free = moreFree;
      retired = moreRetired;
      retiredAt = moreRetiredAt;
      retiredFirst = 0;
    }
    try {
      return arena.allocate((long) pages * DataPage.SIZE, DataPage.SIZE);
    } catch (OutOfMemoryError e) {
      return null;
    }
  }

  /**
   * Gives back a page that the kernel never knew.
   *
   * @param page from {@link #take}
   */
  void release(MemorySegment page) {
    if (!isAbandoned(page)) {
      free[freeCount++] = page.address();
    }
  }

  /**
   * Gives back a whole page that the kernel may know: its frame is replaced first, so that a BPF
   * program which still holds the old one reaches an orphan. If that cannot be done, the page is
   * never used again.
   *
   * @param page from {@link #take}
   */
  void releaseShared(MemorySegment page) {
    page.set(JAVA_LONG, 0, -1);
    // The kernel says that it has done so on shared memory, too, where it has dropped nothing.
    if (kernel.dropFrames(page.address(), page.byteSize()) == 0 && page.get(JAVA_LONG, 0) == 0) {
      release(page);
    }
  }

  /**
   * Gives back a part whose entries were taken out, but which BPF programs may still reach for a
   * moment. It is not reused before the grace period is over.
   *
   * @param part from {@link #take}
   */
  void retire(MemorySegment part) {
    int last = (retiredFirst + retiredCount) % retired.length;
    retired[last] = part.address();
    retiredAt[last] = clock.getAsLong();
    retiredCount++;
  }

  private boolean hasRested() {
    return retiredCount > 0 && clock.getAsLong() - retiredAt[retiredFirst] >= graceNanos;
  }

  /** {@return whether the next {@link #take} needs no new memory} */
  boolean haveFree() {
    return freeCount > 0 || hasRested();
  }

  /** Takes a block out of use: none of its pages is taken or released any more. */
  void abandon(MemorySegment block) {
    abandoned.add(block);
    int kept = 0;
    for (int i = 0; i < freeCount; i++) {
      if (!contains(block, free[i])) {
        free[kept++] = free[i];
      }
    }
    freeCount = kept;
  }

  /** {@return whether a page is in a block that was taken out of use} */
  boolean isAbandoned(MemorySegment page) {
    for (int i = 0; i < abandoned.size(); i++) { // without an iterator, which is allocated
      if (contains(abandoned.get(i), page.address())) {
        return true;
      }
    }
    return false;
  }

  private static boolean contains(MemorySegment block, long address) {
    return address >= block.address() && address < block.address() + block.byteSize();
  }

  /** {@return how many pages were taken from the system, in use or free} */
  int count() {
    return count;
  }
}
