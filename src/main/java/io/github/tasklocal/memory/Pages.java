// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Memory for threads' values: whole pages, or equal parts of pages that hold nothing else. Pages
 * never go back to an allocator, which could give them to something else while BPF programs still
 * write there. Under the registry's lock.
 *
 * <p>What is taken here is not zeroed: its thread does that, and so is the first to touch it.
 */
final class Pages {

  /** How many pages a block has: few, to waste no memory, but enough that its padding is small. */
  private static final int BLOCK = 16;

  /** Indexes of {@link SharedData#pages}. There is room for all pages, so that no push fails. */
  private static final int FREE = 0;

  /** Parts to which a BPF program may still write for a moment, a ring, with the time of each. */
  private static final int RETIRED = 1;

  private static final int RETIRED_AT = 2;

  private final Kernel kernel;
  private final PageArena arena;
  private final SharedData data;
  private final int bytes;
  private final long graceNanos;
  private final LongSupplier clock;

  /**
   * Makes a view of a process's pages.
   *
   * @param arena allocates whole pages
   * @param graceNanos how long a {@link #retire retired} one is not reused
   * @param clock in nanoseconds
   */
  Pages(Kernel kernel, PageArena arena, SharedData data, long graceNanos, LongSupplier clock) {
    this.kernel = kernel;
    this.arena = arena;
    this.data = data;
    this.bytes = data.slotBytes();
    this.graceNanos = graceNanos;
    this.clock = clock;
  }

  private int get(int number) {
    return (int) data.numbers[number];
  }

  /**
   * {@return a page, or part of one, aligned to its size, that nobody else has}
   *
   * @throws OutOfMemoryError if the system gives this process no more memory; a later call may work
   */
  MemorySegment take() {
    if (get(SharedData.FREE) == 0 && !hasRested()) {
      allocate();
    }
    int free = get(SharedData.FREE);
    int first = get(SharedData.RETIRED_FIRST);
    long address = free > 0 ? data.pages[FREE][free - 1] : data.pages[RETIRED][first];
    MemorySegment page = Memory.ALL.asSlice(address, bytes);
    if (free > 0) {
      data.numbers[SharedData.FREE]--;
    } else {
      data.numbers[SharedData.RETIRED_FIRST] = (first + 1L) % data.pages[RETIRED].length;
      data.numbers[SharedData.RETIRED]--;
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
              + count()
              + " pages so far); raise its limit (ulimit -v, the container's memory), the thread's"
              + " next use of a key tries again");
    }
    for (long offset = block.byteSize() - bytes; offset >= 0; offset -= bytes) {
      push(block.address() + offset);
    }
    data.numbers[SharedData.PAGES] += block.byteSize() / DataPage.SIZE;
  }

  private @Nullable MemorySegment allocate(int pages) {
    int room = (count() + pages) * (DataPage.SIZE / bytes);
    int before = data.pages[FREE].length;
    if (before < room) {
      int enough = Math.max(room, before * 2);
      long[] free = Arrays.copyOf(data.pages[FREE], enough);
      long[] retired = new long[enough];
      long[] retiredAt = new long[enough];
      for (int i = 0; i < get(SharedData.RETIRED); i++) {
        int from = (get(SharedData.RETIRED_FIRST) + i) % before;
        retired[i] = data.pages[RETIRED][from];
        retiredAt[i] = data.pages[RETIRED_AT][from];
      }
      data.pages[FREE] = free;
      data.pages[RETIRED] = retired;
      data.pages[RETIRED_AT] = retiredAt;
      data.numbers[SharedData.RETIRED_FIRST] = 0;
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
  void release(long page) {
    if (!isAbandoned(page)) {
      push(page);
    }
  }

  private void push(long address) {
    data.pages[FREE][(int) data.numbers[SharedData.FREE]++] = address;
  }

  /**
   * Gives back a whole page that the kernel may know: its frame is replaced first, so that a BPF
   * program which still holds the old one reaches an orphan. If that cannot be done, the page is
   * never used again.
   *
   * @param page from {@link #take}
   */
  void releaseShared(long page) {
    if (kernel.dropFrames(page, bytes) == 0) {
      release(page);
    }
  }

  /**
   * Gives back a part whose entries were taken out, but which BPF programs may still reach for a
   * moment. It is not reused before the grace period is over.
   *
   * @param part from {@link #take}
   */
  void retire(long part) {
    int room = data.pages[RETIRED].length;
    int last = (get(SharedData.RETIRED_FIRST) + get(SharedData.RETIRED)) % room;
    data.pages[RETIRED][last] = part;
    data.pages[RETIRED_AT][last] = clock.getAsLong();
    data.numbers[SharedData.RETIRED]++;
  }

  private boolean hasRested() {
    return get(SharedData.RETIRED) > 0
        && clock.getAsLong() - data.pages[RETIRED_AT][get(SharedData.RETIRED_FIRST)] >= graceNanos;
  }

  /** {@return whether the next {@link #take} needs no new memory} */
  boolean haveFree() {
    return get(SharedData.FREE) > 0 || hasRested();
  }

  /** Takes the blocks out of use that must not be: none of their pages is taken any more. */
  void dropAbandoned() {
    int kept = 0;
    long[] free = data.pages[FREE];
    for (int i = 0; i < get(SharedData.FREE); i++) {
      if (!isAbandoned(free[i])) {
        free[kept++] = free[i];
      }
    }
    data.numbers[SharedData.FREE] = kept;
  }

  /** {@return whether a page is in a block that was taken out of use} */
  boolean isAbandoned(long address) {
    for (int i = 0; i < data.abandoned.size(); i++) { // without an iterator, which is allocated
      long[] block = data.abandoned.get(i);
      if (address >= block[0] && address < block[0] + block[1]) {
        return true;
      }
    }
    return false;
  }

  /** {@return how many pages were taken from the system, in use or free} */
  int count() {
    return get(SharedData.PAGES);
  }
}
