// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.RawMaps;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Arrays that are ready to be given away, with a thread that makes them, and another that does away
 * with those of processes that have ended: both wait for the kernel.
 */
final class ArrayStock implements AutoCloseable {

  static final String PREFIX = "array_";

  private static final int LEAST = 4;
  private static final int MOST = 64;

  /** What whoever waits for the first of several arrays does not notice. */
  private static final long QUICK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

  /** After what time it is tried again to take something back. */
  private static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final PinFolder pins;
  private final @Nullable SlotTables slots;
  private final ServeLog log;
  private final Runnable changed;
  private final Thread maker = new Thread(() -> run(true), "makes arrays");
  private final Thread remover = new Thread(() -> run(false), "removes arrays");

  /**
   * How many are shown at once: more as long as that is quick. Some kernels wait once for all, some
   * for each (kernel/bpf/syscall.c, maybe_wait_bpf_programs). Of the thread that makes them.
   */
  private int atOnce = 1;

  /** Under the lock of this, as all below. */
  private final BitSet used = new BitSet(ServeTables.ARRAYS);

  private final Deque<ServedArray> ready = new ArrayDeque<>();
  private final Deque<Runnable> jobs = new ArrayDeque<>();
  private int wanted = LEAST;
  private int next;
  private int failure;
  private boolean ending;

  /**
   * Makes an empty stock.
   *
   * @param slots where arrays are shown to programs; null where there are uptrs instead
   * @param changed is called by a thread of the stock's when there is more, or a job is done
   */
  ArrayStock(PinFolder pins, @Nullable SlotTables slots, ServeLog log, Runnable changed) {
    this.pins = pins;
    this.slots = slots;
    this.log = log;
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

  /** Begins to make and to remove arrays. */
  void start() {
    maker.start();
    remover.start();
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

  /** {@return how many arrays there are, given away or not} */
  synchronized int count() {
    return used.cardinality();
  }

  /** Has the thread that removes do something, in order; again and again if it fails. */
  synchronized void later(Runnable job) {
    jobs.add(job);
    notifyAll();
  }

  /** Shows an array to programs no longer. Waits for them. */
  void hide(ServedArray array) {
    if (slots != null) {
      slots.hide(array.number());
    }
  }

  /** Does away with an array that is hidden and that no thread's entry is in any more. */
  void remove(ServedArray array) {
    array.unmap();
    try {
      Files.deleteIfExists(array.pin());
    } catch (IOException e) {
      return; // It stays in use, and goes at the next start.
    }
    free(array.number());
  }

  private synchronized void free(int number) {
    used.clear(number);
    failure = 0;
    notifyAll();
  }

  private void run(boolean makes) {
    for (Runnable job = next(makes); job != null; job = next(makes)) {
      try {
        job.run();
      } catch (RuntimeException e) {
        log.failed(e);
        if (!makes) {
          again(job);
        }
      }
      changed.run();
    }
  }

  /** Does a job once more, behind the others and after a pause; at the end it is left. */
  private synchronized void again(Runnable job) {
    jobs.add(job);
    long end = System.nanoTime() + AGAIN_NANOS;
    try {
      for (long left = AGAIN_NANOS; left > 0 && !ending; left = end - System.nanoTime()) {
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (ending) {
      boolean ignored = jobs.remove(job); // The next serving side does away with what is left.
    }
  }

  /** {@return what the thread is to do next; null for nothing, ever} */
  private synchronized @Nullable Runnable next(boolean makes) {
    while (true) {
      if (makes && !ending && failure == 0 && ready.size() < wanted) {
        return this::make;
      }
      if (!makes && !jobs.isEmpty()) {
        return jobs.remove();
      }
      if (ending) {
        return null;
      }
      try {
        wait();
      } catch (InterruptedException e) {
        return null;
      }
    }
  }

  private void make() {
    List<ServedArray> made = new ArrayList<>();
    List<Integer> descriptors = new ArrayList<>();
    int status = 0;
    int lacking = lacking();
    while (status == 0 && made.size() < lacking) {
      int number = reserve();
      if (number < 0) {
        status = -Errnos.ENOSPC;
      } else {
        ServedArray array = array(number);
        int descriptor = create(array);
        if (descriptor >= 0) {
          made.add(array);
          descriptors.add(descriptor);
        } else {
          status = descriptor;
          remove(array);
        }
      }
    }
    int shown = made.isEmpty() || slots == null ? made.size() : show(slots, made, descriptors);
    descriptors.forEach(Native::close);
    List<ServedArray> hidden = made.subList(Math.max(shown, 0), made.size());
    hidden.forEach(this::remove);
    hidden.clear();
    synchronized (this) {
      ready.addAll(made);
      failure = made.isEmpty() ? Math.min(status, shown) : 0;
    }
  }

  /** {@return how many are shown, from the first on; a negative errno if none} */
  private int show(SlotTables tables, List<ServedArray> made, List<Integer> descriptors) {
    long began = System.nanoTime();
    int shown =
        tables.show(
            made.stream().mapToInt(ServedArray::number).toArray(),
            descriptors.stream().mapToInt(Integer::intValue).toArray());
    boolean isQuick = System.nanoTime() - began < QUICK_NANOS;
    atOnce = isQuick ? Math.min(MOST, 2 * atOnce) : Math.max(1, atOnce / 2);
    return shown;
  }

  private synchronized int lacking() {
    return Math.min(slots == null ? MOST : atOnce, wanted - ready.size());
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

  /** {@return a descriptor of a new array, which is pinned; or a negative errno} */
  private int create(ServedArray array) {
    int descriptor = RawMaps.createArray();
    int status = descriptor < 0 ? descriptor : RawMaps.pin(descriptor, array.pin());
    if (descriptor >= 0 && status != 0) {
      Native.close(descriptor);
    }
    return status == 0 ? descriptor : status;
  }

  /** Does what is left to do, and removes what was made for nobody. */
  @Override
  public void close() {
    synchronized (this) {
      ending = true;
      notifyAll();
    }
    boolean interrupted = false;
    while (maker.isAlive() || remover.isAlive()) {
      try {
        maker.join();
        remover.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    hideAll();
    ready.forEach(this::remove);
    ready.clear();
  }

  /** At once: what each waits for in the kernel is the same. */
  private void hideAll() {
    List<Thread> hiding =
        ready.stream().map(array -> Thread.ofPlatform().start(() -> hide(array))).toList();
    for (Thread each : hiding) {
      try {
        each.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return; // The next serving side does away with what is left.
      }
    }
  }
}
