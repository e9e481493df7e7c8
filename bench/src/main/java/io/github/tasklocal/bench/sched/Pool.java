// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A pool of threads at work from one time to another, and the context switches in between. The
 * first part of it is for the scheduler to settle, and is not measured.
 *
 * @param begin when to begin working
 * @param measured when to begin to measure
 * @param end when to end both
 */
record Pool(long begin, long measured, long end) {

  private static final long START = 300_000_000;

  /** What all threads did together. */
  record Outcome<W>(
      List<W> workers, double switchesPerSecond, Scheduler.Stats stats, double neighbour) {}

  /** {@return times that begin soon} */
  static Pool soon(double settleSeconds, double seconds) {
    long begin = System.nanoTime() + START;
    long measured = begin + (long) (settleSeconds * 1e9);
    return new Pool(begin, measured, measured + (long) (seconds * 1e9));
  }

  boolean measures(long time) {
    return time - measured >= 0 && time - end < 0;
  }

  double seconds() {
    return (end - measured) / 1e9;
  }

  <W extends Runnable> Outcome<W> run(
      Scheduler scheduler, @Nullable Neighbour neighbour, int threads, Function<Integer, W> worker)
      throws InterruptedException, ExecutionException {
    CountDownLatch counted = new CountDownLatch(1);
    List<W> workers = new ArrayList<>();
    List<Future<?>> results = new ArrayList<>();
    double switches;
    Scheduler.Stats stats;
    double share;
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      try {
        for (int i = 0; i < threads; i++) {
          W each = worker.apply(i);
          workers.add(each);
          results.add(
              pool.submit(
                  () -> {
                    Clock.sleepUntil(begin);
                    each.run();
                    counted.await(); // or its switches would be gone
                    return null;
                  }));
        }
        Clock.sleepUntil(measured);
        Neighbour.Time busy = neighbour == null ? null : neighbour.time();
        long from = System.nanoTime();
        long before = Switches.count();
        Scheduler.Stats earlier = scheduler.stats();
        Clock.sleepUntil(end);
        share = neighbour == null || busy == null ? Double.NaN : neighbour.time().since(busy);
        long after = Switches.count();
        stats = scheduler.stats().since(earlier);
        switches = (after - before) * 1e9 / (System.nanoTime() - from);
      } finally {
        counted.countDown();
      }
      for (Future<?> result : results) {
        result.get();
      }
    }
    return new Outcome<>(workers, switches, stats, share);
  }
}
