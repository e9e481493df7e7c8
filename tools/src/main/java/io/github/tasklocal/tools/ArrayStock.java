// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Arrays that are ready to be given away, and a thread that makes them and does away with those of
 * processes that have ended: both wait for the kernel.
 */
final class ArrayStock implements AutoCloseable {

  static final String PREFIX = "array_";

  private static final int LEAST = 4;
  private static final int MOST = 64;

  private final PinFolder pins;
  private final Runnable changed;
  private final Thread thread = new Thread(this::run, "arrays");

  /** Under the lock of this, as all below. */
  private final BitSet used = new BitSet(ServeTables.ARRAYS);

  private final Deque<ServedArray> ready = new ArrayDeque<>();
  private final Deque<Runnable> jobs = new ArrayDeque<>();
  private int wanted = LEAST;
  private int next;
  private boolean ending;
  private int failure;

  /**
   * Makes an empty stock.
   *
   * @param changed is called by a thread of the stock's when there is more, or a job is done
   */
  ArrayStock(PinFolder pins, Runnable changed) {
    this.pins = pins;
    this.changed = changed;
  }

  /** {@return an array that is pinned, which is in use from now on} */
  synchronized ServedArray use(int number) {
    used.set(number);
    return array(number);
  }

  private ServedArray array(int number) {
    return new ServedArray(number, pins.own(PREFIX + number));
  }

  /** Begins to make arrays. */
  void start() {
    thread.start();
  }

  /** {@return an array, or null if none is ready yet} */
  synchronized @Nullable ServedArray take() {
    ServedArray array = ready.poll();
    if (array == null) {
      wanted = Math.min(MOST, 2 * wanted);
    }
    notifyAll();
    return array;
  }

  /**
   * {@return why no array will be ready soon: a negative errno; 0 if one will} After this it is
   * tried again.
   */
  synchronized int failure() {
    int reason = failure;
    failure = 0;
    notifyAll();
    return reason;
  }

  /** {@return how many arrays there are} */
  synchronized int count() {
    return used.cardinality();
  }

  /** Has the thread do something, in order. */
  synchronized void later(Runnable job) {
    jobs.add(job);
    notifyAll();
  }

  /** Does away with an array that nobody uses any more. */
  void remove(ServedArray array) {
    array.unmap();
    try {
      Files.deleteIfExists(array.pin());
    } catch (IOException e) {
      return; // It stays in use, and goes at the next start.
    }
    synchronized (this) {
      used.clear(array.number());
      failure = 0;
    }
  }

  private void run() {
    while (true) {
      Runnable job;
      synchronized (this) {
        while (!ending && jobs.isEmpty() && !wantsMore()) {
          try {
            wait();
          } catch (InterruptedException e) {
            return;
          }
        }
        if (ending && jobs.isEmpty()) {
          return;
        }
        job = wantsMore() ? this::make : jobs.remove();
      }
      job.run();
      changed.run();
    }
  }

  private boolean wantsMore() {
    return !ending && failure == 0 && ready.size() < wanted;
  }

  private void make() {
    int number = reserve();
    int status = number < 0 ? -Errnos.ENOSPC : create(array(number));
    synchronized (this) {
      if (status < 0) {
        failure = status;
        if (number >= 0) {
          used.clear(number);
        }
      } else {
        ready.add(array(number));
      }
    }
  }

  /** {@return a number that no array has, as long unused as can be; -1 if there is none} */
  private synchronized int reserve() {
    int number = used.nextClearBit(next);
    if (number >= ServeTables.ARRAYS) {
      number = used.nextClearBit(0);
    }
    if (number >= ServeTables.ARRAYS) {
      return -1;
    }
    used.set(number);
    next = number + 1;
    return number;
  }

  private static int create(ServedArray array) {
    int descriptor = RawMaps.createArray();
    if (descriptor < 0) {
      return descriptor;
    }
    int status = RawMaps.pin(descriptor, array.pin());
    Native.close(descriptor);
    return status;
  }

  /** Does what is left to do, and removes what was made for nobody. */
  @Override
  public void close() {
    synchronized (this) {
      ending = true;
      notifyAll();
    }
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    ready.forEach(this::remove);
    ready.clear();
  }
}
