// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * What the server has to do, in reports ({@link Orders}), so that it is the same work in every run
 * whatever time it takes there.
 *
 * @param threads of the pool
 * @param reportNanos processor time of one report, with all processors busy
 * @param request reports of an interactive request
 * @param piece reports of a piece of the batch backlog
 * @param interval nanoseconds between two requests
 */
record Load(int threads, double reportNanos, int request, int piece, long interval) {

  private static final long MILLI = 1_000_000;
  private static final int AT_ONCE = 20;

  /**
   * Measures what a report costs here, once the compiler is done with it.
   *
   * @param millis processor time of a request
   * @param pieceMillis of a piece
   * @param share of the processors' time that the requests are to take
   */
  static Load measure(
      int threads, double millis, double pieceMillis, double share, double warmUp, double seconds)
      throws InterruptedException, ExecutionException {
    int processors = Runtime.getRuntime().availableProcessors();
    report(processors, warmUp);
    double nanos = report(processors, seconds);
    int request = reports(millis, nanos);
    return new Load(
        threads,
        nanos,
        request,
        reports(pieceMillis, nanos),
        (long) (request * nanos / processors / share));
  }

  private static int reports(double millis, double nanos) {
    return (int) Math.max(1, Math.round(millis * MILLI / nanos));
  }

  /** {@return nanoseconds of processor time for a report} */
  private static double report(int processors, double seconds)
      throws InterruptedException, ExecutionException {
    long end = System.nanoTime() + (long) (seconds * 1e9);
    try (ExecutorService pool = Executors.newFixedThreadPool(processors)) {
      List<Future<Double>> results = new ArrayList<>();
      for (int i = 0; i < processors; i++) {
        Orders orders = new Orders(i);
        results.add(
            pool.submit(
                () -> {
                  long reports = 0;
                  long begin = Clock.ownTime();
                  while (System.nanoTime() < end) {
                    orders.reports(AT_ONCE);
                    reports += AT_ONCE;
                  }
                  return (double) (Clock.ownTime() - begin) / reports;
                }));
      }
      double sum = 0;
      for (Future<Double> result : results) {
        sum += result.get();
      }
      return sum / processors;
    }
  }

  double requestMillis() {
    return request * reportNanos / MILLI;
  }

  double pieceMillis() {
    return piece * reportNanos / MILLI;
  }

  double requestsPerSecond() {
    return 1e9 / interval;
  }

  /** {@return the requests' share of all processors' time} */
  double share() {
    return request * reportNanos / interval / Runtime.getRuntime().availableProcessors();
  }
}
