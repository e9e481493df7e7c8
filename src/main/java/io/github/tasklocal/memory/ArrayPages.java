// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.KernelPage;
import io.github.tasklocal.layout.DataPage;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Pages of arrays that a serving side has given to this process: BPF programs reach them through
 * the array. The kernel shares their frames for good, so that a page rests before it serves another
 * thread. Arrays of an earlier grant stay mapped, but their pages serve nobody any more. Under the
 * registry's lock.
 */
final class ArrayPages {

  /** How long a page rests, beside the wait for a barrier: as {@link Threads} says of parts. */
  private static final long REST_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** How many pages of the first array are of keys: the kernel's, one in form A, one in form B. */
  static final int OF_KEYS = 2 * KernelPage.BYTES / DataPage.SIZE;

  /** Indexes of an array's numbers. */
  private static final int ADDRESS = 0;

  private static final int BYTES = 1;
  private static final int NUMBER = 2;
  private static final int GRANT = 3;

  /** A page, or a part of one, as the serving side knows it. */
  record Spot(int array, int page, int start) {}

  private final SharedData data;
  private final FreePages free;
  private final int step;

  ArrayPages(SharedData data, LongSupplier clock) {
    this.data = data;
    this.step = data.step();
    this.free = new FreePages(data, FreePages.ROWS, SharedData.ARRAYS_FREE, REST_NANOS, clock);
  }

  /** Makes room for one more array, so that {@link #add} cannot fail. */
  long[] prepare(int pages) {
    data.arrays.ensureCapacity(data.arrays.size() + 1);
    int room = pages;
    for (long[] each : data.arrays) {
      room += (int) (each[BYTES] / DataPage.SIZE);
    }
    free.makeRoom(room * Math.max(1, DataPage.SIZE / step));
    return new long[GRANT + 1];
  }

  /**
   * Takes an array's pages into use. Cannot fail.
   *
   * @param array from {@link #prepare}
   * @param number the serving side's
   * @param grant whose it is; the present one's from now on
   * @param first which is the first page for values
   */
  void add(long[] array, long address, int pages, int number, long grant, int first) {
    array[ADDRESS] = address;
    array[BYTES] = (long) pages * DataPage.SIZE;
    array[NUMBER] = number;
    array[GRANT] = grant;
    boolean ignored = data.arrays.add(array);
    for (long at = array[BYTES] - step; at >= (long) first * DataPage.SIZE; at -= step) {
      free.add(address + at);
    }
  }

  /** The arrays so far are those of a grant that is over. Cannot fail. */
  void abandon() {
    free.clear();
  }

  private long @Nullable [] find(long address) {
    for (int i = data.arrays.size() - 1; i >= 0; i--) {
      long[] each = data.arrays.get(i);
      if (address >= each[ADDRESS] && address < each[ADDRESS] + each[BYTES]) {
        return each;
      }
    }
    return null;
  }

  /** {@return whether a page lies in any array, of whichever grant} */
  boolean has(long page) {
    return find(page) != null;
  }

  /** {@return whether a page lies in an array of a grant} */
  boolean has(long page, long grant) {
    long[] array = find(page);
    return array != null && array[GRANT] == grant;
  }

  /** {@return where a page lies} */
  Spot spot(long page) {
    long[] array = find(page);
    if (array == null) {
      throw new IllegalStateException("a page of no array");
    }
    long offset = page - array[ADDRESS];
    return new Spot(
        (int) array[NUMBER],
        (int) (offset / DataPage.SIZE),
        (int) (offset % DataPage.SIZE) + DataPage.START);
  }

  /** {@return how many can be had without another array and without a wait} */
  int left() {
    return free.free();
  }

  boolean haveAny() {
    return free.haveAny();
  }

  /** {@return one that nobody else has, or 0} */
  long take() {
    return free.take();
  }

  /** {@return false if this is no page of an array} Gives one back that no entry ever had. */
  boolean release(long page, long grant) {
    long[] array = find(page);
    if (array != null && array[GRANT] == grant) {
      free.add(page);
    }
    return array != null;
  }

  /** {@return the same} Gives one back to which an entry may lead. */
  boolean retire(long page, long grant) {
    long[] array = find(page);
    if (array != null && array[GRANT] == grant) {
      free.rest(page);
    }
    return array != null;
  }

  /** {@return what {@link #barrier} wants, or 0 if no page waits for one} */
  long waitForBarrier() {
    return free.waitForBarrier();
  }

  void barrier(long ever) {
    free.barrier(ever);
  }
}
