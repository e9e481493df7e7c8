// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.KernelPage;
import io.github.tasklocal.layout.DataPage;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Pages of arrays that a serving side has given to this process: BPF programs reach them through
 * the array. The kernel shares their frames for good, so that a page rests before it serves another
 * thread. Those of an earlier grant serve no other thread any more, and once the last thread has
 * left them, the array's memory is given back: whoever runs {@code top} again and again makes a
 * grant each time. Its addresses stay taken, for the next array, so that nobody else's memory comes
 * to lie where a value was. Under the registry's lock.
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

  /** Whose it is, or 0 for addresses that can be had. */
  private static final int GRANT = 3;

  /** How many of its pages, or parts of them, somebody has. */
  private static final int TAKEN = 4;

  private static final int SIZE = 5;

  /** A page, or a part of one, as the serving side knows it. */
  record Spot(int array, int page, int start) {}

  private final Kernel kernel;
  private final SharedData data;
  private final FreePages free;
  private final int step;

  ArrayPages(Kernel kernel, SharedData data, LongSupplier clock) {
    this.kernel = kernel;
    this.data = data;
    this.step = data.step();
    this.free = new FreePages(data, FreePages.ROWS, SharedData.ARRAYS_FREE, REST_NANOS, clock);
  }

  /**
   * {@return what {@link #map} and {@link #add} take} Makes room for one more array, so that the
   * latter cannot fail.
   */
  long[] prepare(int pages) {
    int room = pages;
    long[] vacant = null;
    for (long[] each : data.arrays) {
      room += (int) (each[BYTES] / DataPage.SIZE);
      if (each[GRANT] == 0 && each[BYTES] == (long) pages * DataPage.SIZE) {
        vacant = each;
      }
    }
    free.makeRoom(room * Math.max(1, DataPage.SIZE / step));
    if (vacant == null) {
      vacant = new long[SIZE];
      boolean ignored = data.arrays.add(vacant);
    }
    return vacant;
  }

  /**
   * Maps an array, whose pages nobody can have yet.
   *
   * @param array from {@link #prepare}, for as many pages
   * @return its address, or a negative errno
   */
  long map(long[] array, int fd, int pages) {
    long bytes = (long) pages * DataPage.SIZE;
    long address = -1;
    try {
      address = kernel.mapArray(fd, bytes, array[ADDRESS]);
      if (address >= 0) {
        array[ADDRESS] = address;
        array[BYTES] = bytes;
      }
      return address;
    } finally {
      if (address < 0) {
        boolean ignored = data.arrays.remove(array); // its addresses may be somebody else's now
      }
    }
  }

  /**
   * Takes an array's pages into use. Cannot fail.
   *
   * @param array was {@linkplain #map mapped}
   * @param number the serving side's
   * @param grant whose it is; the present one's from now on
   * @param first which is the first page for values
   */
  void add(long[] array, int number, long grant, int first) {
    array[NUMBER] = number;
    array[GRANT] = grant;
    array[TAKEN] = 0;
    for (long at = array[BYTES] - step; at >= (long) first * DataPage.SIZE; at -= step) {
      free.add(array[ADDRESS] + at);
    }
  }

  /** The arrays so far are those of a grant that is over. Cannot fail. */
  void abandon() {
    free.clear();
    for (int i = data.arrays.size() - 1; i >= 0; i--) {
      long[] each = data.arrays.get(i);
      if (each[GRANT] != 0 && each[TAKEN] == 0) {
        vacate(each);
      }
    }
  }

  /** Gives the memory of an array back that nobody uses. Cannot fail. */
  private void vacate(long[] array) {
    array[GRANT] = 0;
    try {
      if (kernel.vacate(array[ADDRESS], array[BYTES]) != 0) {
        boolean ignored = data.arrays.remove(array); // as above
      }
    } catch (RuntimeException | Error e) {
      // For lack of memory or stack: the next array takes the place of this one, or of nothing.
    }
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
    long page = free.take();
    long[] array = page == 0 ? null : find(page);
    if (array != null) {
      array[TAKEN]++;
    }
    return page;
  }

  /** {@return false if this is no page of an array} Gives one back that no entry ever had. */
  boolean release(long page, long grant) {
    long[] array = find(page);
    if (array != null && isReusable(array, grant)) {
      free.add(page);
    }
    return array != null;
  }

  /** {@return the same} Gives one back to which an entry may lead. */
  boolean retire(long page, long grant) {
    long[] array = find(page);
    if (array != null && isReusable(array, grant)) {
      free.rest(page);
    }
    return array != null;
  }

  /** {@return whether a page that is given back, and counted, can serve another thread} */
  private boolean isReusable(long[] array, long grant) {
    array[TAKEN]--;
    boolean isPresent = array[GRANT] == grant;
    if (!isPresent && array[TAKEN] == 0) {
      vacate(array);
    }
    return isPresent;
  }

  /** {@return what {@link #barrier} wants, or 0 if no page waits for one} */
  long waitForBarrier() {
    return free.waitForBarrier();
  }

  void barrier(long ever) {
    free.barrier(ever);
  }
}
