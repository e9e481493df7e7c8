// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.KernelPage;
import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.MemorySegment;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Memory for threads' values: whole pages of the kernel, or equal parts of pages that hold nothing
 * else. Where the kernel's pages are larger than those of the wires ({@link DataPage#SIZE}), the
 * values of a thread with a whole page lie at its beginning: the kernel's own header describes the
 * whole, and only a whole one can be given a fresh frame. Pages never go back to an allocator,
 * which could give them to something else while BPF programs still write there. Under the
 * registry's lock.
 *
 * <p>What is taken here is not zeroed: its thread does that, and so is the first to touch it.
 */
final class Pages {

  /** How many pages a block has: few, to waste no memory, but enough that its padding is small. */
  private static final int BLOCK = Math.max(4, 16 * DataPage.SIZE / KernelPage.BYTES);

  private final Kernel kernel;
  private final PageArena arena;
  private final SharedData data;
  private final Served served;
  private final FreePages free;
  private final int bytes;

  /** How far they are from each other. */
  private final int step;

  /**
   * Makes a view of a process's pages.
   *
   * @param arena allocates whole pages
   * @param served has pages that BPF can reach through a serving side, if there is one
   * @param graceNanos how long a {@link #retire retired} one is not reused
   * @param clock in nanoseconds
   */
  Pages(
      Kernel kernel,
      PageArena arena,
      Served served,
      SharedData data,
      long graceNanos,
      LongSupplier clock) {
    this.kernel = kernel;
    this.arena = arena;
    this.served = served;
    this.data = data;
    this.free = new FreePages(data, 0, SharedData.FREE, graceNanos, clock);
    this.bytes = data.slotBytes();
    this.step = data.step();
    free.barrier(Long.MAX_VALUE); // no barrier is waited for
  }

  /**
   * {@return a page, or part of one, aligned to its size, that nobody else has}
   *
   * @throws OutOfMemoryError if the system gives this process no more memory; a later call may work
   */
  MemorySegment take() {
    long page = served.take();
    if (page == 0) {
      page = free.take();
    }
    if (page == 0) {
      allocate();
      page = free.take();
    }
    boolean isTaken = false;
    try {
      MemorySegment taken = Memory.ALL.asSlice(page, bytes);
      isTaken = true;
      return taken;
    } finally {
      if (!isTaken) {
        release(page);
      }
    }
  }

  private void allocate() {
    MemorySegment block = allocate(BLOCK);
    if (block == null) {
      block = allocate(1);
    }
    if (block == null) {
      throw new OutOfMemoryError(
          "the system gives this process no memory for another page of task local data ("
              + step
              + " bytes for each thread that uses a key, "
              + count()
              + " pages so far); raise its limit (ulimit -v, the container's memory), the thread's"
              + " next use of a key tries again");
    }
    for (long offset = block.byteSize() - step; offset >= 0; offset -= step) {
      free.add(block.address() + offset);
    }
    data.numbers[SharedData.PAGES] += block.byteSize() / KernelPage.BYTES;
  }

  private @Nullable MemorySegment allocate(int pages) {
    free.makeRoom((count() + pages) * (KernelPage.BYTES / step));
    try {
      return arena.allocate((long) pages * KernelPage.BYTES, KernelPage.BYTES);
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
    if (!served.release(page) && !isAbandoned(page)) {
      free.add(page);
    }
  }

  /**
   * Gives back a whole page that the kernel may know: its frame is replaced first, so that a BPF
   * program which still holds the old one reaches an orphan. If that cannot be done, the page is
   * never used again. The frame of a page that a serving side has given cannot be replaced: so that
   * rests.
   *
   * @param page from {@link #take}
   */
  void releaseShared(long page) {
    if (!served.retire(page) && kernel.dropFrames(page, step) == 0) {
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
    if (!served.retire(part)) {
      free.rest(part);
    }
  }

  /** {@return whether the next {@link #take} needs no new memory} */
  boolean haveFree() {
    return served.haveFree() || free.haveAny();
  }

  /** Takes the blocks out of use that must not be: none of their pages is taken any more. */
  void dropAbandoned() {
    free.leaveOut(data.abandoned);
  }

  /** {@return whether a page is in a block that was taken out of use} */
  boolean isAbandoned(long address) {
    return FreePages.isIn(data.abandoned, address);
  }

  /** {@return how many pages were taken from the system, in use or free} */
  int count() {
    return (int) data.numbers[SharedData.PAGES];
  }
}
