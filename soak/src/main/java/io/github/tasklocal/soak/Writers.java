// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Threads that write, or read, as fast as they can, until this is closed. */
final class Writers implements AutoCloseable {

  /** After so many values they begin again; a power of 2, for speed. */
  private static final long COUNTS = 1 << 30;

  private final List<Writer> writers = new ArrayList<>();
  private final AtomicReference<@Nullable Throwable> thrown = new AtomicReference<>();
  private volatile boolean stop;

  /** What each of them does again and again. */
  @FunctionalInterface
  interface Work {
    /**
     * Does the work once.
     *
     * @param round counts from 1
     */
    void write(long round);
  }

  /** Makes the work of a thread, in that thread. */
  @FunctionalInterface
  interface Start {
    /**
     * {@return the work}
     *
     * @param index of the thread, from 0
     */
    Work begin(int index);
  }

  /** A thread, and how far it is. */
  private final class Writer {
    final Thread thread;
    volatile long round;

    Writer(int index, Start start) {
      this.thread =
          Thread.ofPlatform().name("writer-" + index).daemon().unstarted(() -> run(index, start));
    }

    private void run(int index, Start start) {
      try {
        Work work = start.begin(index);
        for (long next = 1; !stop; next++) {
          work.write(next);
          round = next;
        }
      } catch (Throwable e) {
        thrown.compareAndSet(null, e);
      }
    }
  }

  Writers(int threads, Start start) {
    for (int i = 0; i < threads; i++) {
      writers.add(new Writer(i, start));
    }
    writers.forEach(writer -> writer.thread.start());
  }

  /**
   * {@return threads that count up the value that {@link Tasks} sees}
   *
   * @param lost how often they did not find what they had written last
   */
  static Writers counting(int threads, Tasks tasks, AtomicLong lost) {
    return new Writers(
        threads,
        index -> {
          long first = tasks.first();
          Tasks.KEY.set(first);
          return round -> {
            if (Tasks.KEY.get() != first + (round - 1) % COUNTS) {
              lost.incrementAndGet();
            }
            Tasks.KEY.set(first + round % COUNTS);
          };
        });
  }

  /** {@return how often they have written, all together} */
  long rounds() {
    return writers.stream().mapToLong(writer -> writer.round).sum();
  }

  /** {@return how often the slowest thread has written} */
  long leastRounds() {
    return writers.stream().mapToLong(writer -> writer.round).min().orElse(0);
  }

  /** Ends them, and throws what the first failure threw. */
  @Override
  public void close() {
    stop = true;
    for (Writer writer : writers) {
      try {
        writer.thread.join();
      } catch (InterruptedException e) {
        throw new IllegalStateException("interrupted while the writers end", e);
      }
    }
    Throwable first = thrown.get();
    if (first != null) {
      throw new IllegalStateException("a writer failed: " + first.getMessage(), first);
    }
  }
}
