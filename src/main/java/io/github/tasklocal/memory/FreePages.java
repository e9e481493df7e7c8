// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.util.Arrays;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * Pages, or parts of pages, that no thread has; and those that rest, since a BPF program may still
 * write there for a moment. A view of numbers that all copies of the library have in common. Under
 * the registry's lock.
 *
 * <p>There is room for all pages that were ever {@linkplain #makeRoom announced}, so that nothing
 * that is given back can fail.
 */
final class FreePages {

  /** How many rows of {@link SharedData#pages} this takes: free ones, resting ones, since when. */
  static final int ROWS = 3;

  /** How many of {@link SharedData#numbers} this takes. */
  static final int NUMBERS = 5;

  private static final int FREE = 0;
  private static final int FIRST = 1;
  private static final int RESTING = 2;

  /** How many have ever begun to rest, and how many of them had begun before the last barrier. */
  private static final int EVER = 3;

  private static final int BEFORE_BARRIER = 4;

  private final long[][] pages;
  private final long[] n;
  private final int row;
  private final int number;
  private final long restNanos;
  private final LongSupplier clock;

  /**
   * Makes a view.
   *
   * @param row the first of its rows
   * @param number the first of its numbers
   * @param restNanos how long they rest
   * @param clock in nanoseconds
   */
  FreePages(SharedData data, int row, int number, long restNanos, LongSupplier clock) {
    this.pages = data.pages;
    this.n = data.numbers;
    this.row = row;
    this.number = number;
    this.restNanos = restNanos;
    this.clock = clock;
  }

  private int get(int index) {
    return (int) n[number + index];
  }

  private long[] freeOnes() {
    return pages[row];
  }

  private long[] resting() {
    return pages[row + 1];
  }

  private long[] since() {
    return pages[row + 2];
  }

  /** Makes room for so many, in use or not. */
  void makeRoom(int room) {
    int before = freeOnes().length;
    if (before >= room) {
      return;
    }
    int enough = Math.max(room, before * 2);
    long[] free = Arrays.copyOf(freeOnes(), enough);
    long[] resting = new long[enough];
    long[] since = new long[enough];
    for (int i = 0; i < get(RESTING); i++) {
      int from = (get(FIRST) + i) % before;
      resting[i] = resting()[from];
      since[i] = since()[from];
    }
    pages[row] = free;
    pages[row + 1] = resting;
    pages[row + 2] = since;
    n[number + FIRST] = 0;
  }

  /** {@return how many can be had at once} */
  int free() {
    return get(FREE);
  }

  /** {@return one that nobody else has, or 0 if there is none} */
  long take() {
    if (get(FREE) > 0) {
      return freeOnes()[(int) --n[number + FREE]];
    }
    if (!hasRested()) {
      return 0;
    }
    int first = get(FIRST);
    n[number + FIRST] = (first + 1L) % resting().length;
    n[number + RESTING]--;
    return resting()[first];
  }

  /** {@return whether {@link #take} finds one} */
  boolean haveAny() {
    return get(FREE) > 0 || hasRested();
  }

  private boolean hasRested() {
    return get(RESTING) > 0
        && n[number + EVER] - n[number + RESTING] < n[number + BEFORE_BARRIER]
        && clock.getAsLong() - since()[get(FIRST)] >= restNanos;
  }

  /** One can be had from now on. Cannot fail. */
  void add(long page) {
    freeOnes()[(int) n[number + FREE]++] = page;
  }

  /** One can be had when it has rested. Cannot fail. */
  void rest(long page) {
    int last = (get(FIRST) + get(RESTING)) % resting().length;
    resting()[last] = page;
    since()[last] = clock.getAsLong();
    n[number + RESTING]++;
    n[number + EVER]++;
  }

  /** {@return how many have ever begun to rest, if any of them waits for a barrier; or 0} */
  long waitForBarrier() {
    long ever = n[number + EVER];
    return get(RESTING) > 0 && n[number + BEFORE_BARRIER] < ever ? ever : 0;
  }

  /** No program that ran when so many had begun to rest still runs. */
  void barrier(long ever) {
    n[number + BEFORE_BARRIER] = Math.max(n[number + BEFORE_BARRIER], ever);
  }

  /** None can be had any more. Cannot fail. */
  void clear() {
    n[number + FREE] = 0;
    n[number + FIRST] = 0;
    n[number + RESTING] = 0;
  }

  /** Leaves those out that can be had and lie in some blocks, each an address and a size. */
  void leaveOut(List<long[]> blocks) {
    int kept = 0;
    long[] free = freeOnes();
    for (int i = 0; i < get(FREE); i++) {
      if (!isIn(blocks, free[i])) {
        free[kept++] = free[i];
      }
    }
    n[number + FREE] = kept;
  }

  /** {@return whether an address lies in one of some blocks} */
  static boolean isIn(List<long[]> blocks, long address) {
    for (int i = 0; i < blocks.size(); i++) { // without an iterator, which is allocated
      long[] block = blocks.get(i);
      if (address >= block[0] && address < block[0] + block[1]) {
        return true;
      }
    }
    return false;
  }
}
