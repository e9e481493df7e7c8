// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.ReentrantLock;
import org.HdrHistogram.Histogram;

/**
 * A hint that changes inside a request: normal work, then a section under a lock that all others
 * want too. The thread is urgent from when it asks for the lock until it has released it. If the
 * scheduler takes the processor from the lock's holder, all wait.
 */
final class Section {

  private static final double NORMAL_MILLIS = 2;
  private static final double LOCKED_MILLIS = 0.5;

  private final ReentrantLock lock = new ReentrantLock();
  private final Orders shared = new Orders(-1);
  private final Telling telling;
  private final Pool times;
  private final int normal;
  private final int locked;

  private Section(Load load, Telling telling, Pool times) {
    this.telling = telling;
    this.times = times;
    this.normal = (int) Math.max(1, NORMAL_MILLIS * 1e6 / load.reportNanos());
    this.locked = (int) Math.max(1, LOCKED_MILLIS * 1e6 / load.reportNanos());
  }

  /**
   * One run.
   *
   * @param waited from asking for the lock to having it, in nanoseconds
   * @param held from having it to releasing it
   * @param sections per second
   * @param switches per section
   * @param syscalls to tell the kernel, per section
   * @param stores to tell the kernel, per section
   */
  record Outcome(
      Histogram waited,
      Histogram held,
      double sections,
      double switches,
      double syscalls,
      double stores) {}

  static Outcome run(
      Scheduler scheduler, Load load, Telling telling, double settleSeconds, double seconds)
      throws InterruptedException, ExecutionException {
    Pool times = Pool.soon(settleSeconds, seconds);
    Section section = new Section(load, telling, times);
    Pool.Outcome<Worker> outcome = times.run(scheduler, null, load.threads(), section::worker);
    Histogram wait = Server.histogram();
    Histogram held = Server.histogram();
    for (Worker worker : outcome.workers()) {
      wait.add(worker.wait);
      held.add(worker.held);
    }
    double sections = wait.getTotalCount() / times.seconds();
    return new Outcome(
        wait,
        held,
        sections,
        outcome.switchesPerSecond() / sections,
        2.0 * telling.syscalls(),
        2.0 * telling.stores());
  }

  private Worker worker(int number) {
    return new Worker(number);
  }

  private final class Worker implements Runnable {

    private final Histogram wait = Server.histogram();
    private final Histogram held = Server.histogram();
    private final Orders orders;
    private long sum;

    Worker(int number) {
      orders = new Orders(number);
    }

    @Override
    public void run() {
      while (System.nanoTime() - times.end() < 0) {
        sum += orders.reports(normal);
        long asked = System.nanoTime();
        telling.urgent();
        lock.lock();
        long got = System.nanoTime();
        try {
          sum += shared.reports(locked);
        } finally {
          lock.unlock();
        }
        long released = System.nanoTime();
        telling.normal();
        if (times.measures(asked)) {
          wait.recordValue(got - asked);
          held.recordValue(released - got);
        }
      }
    }
  }
}
