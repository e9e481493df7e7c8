// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * The server: a pool whose threads never sleep. Each takes the next interactive request if one is
 * due, else a piece of the backlog, which never ends.
 *
 * <p>Requests are due at times that were fixed before the run, and the next free thread takes them:
 * no thread has to make them, which could come too late. Their latency counts from the time they
 * were due, so that none is left out when the server is behind. Those that are due before the end
 * are all served.
 */
final class Server {

  private static final long NONE = Long.MIN_VALUE;
  private static final int DIGITS = 3;

  private final Load load;
  private final Telling telling;
  private final Pool times;
  private final AtomicLong next = new AtomicLong();

  private Server(Load load, Telling telling, Pool times) {
    this.load = load;
    this.telling = telling;
    this.times = times;
  }

  static Run run(
      Scheduler scheduler,
      @Nullable Neighbour neighbour,
      Load load,
      Telling telling,
      double settleSeconds,
      double seconds)
      throws InterruptedException, ExecutionException {
    Pool times = Pool.soon(settleSeconds, seconds);
    Server server = new Server(load, telling, times);
    Pool.Outcome<Worker> outcome = times.run(scheduler, neighbour, load.threads(), server::worker);
    Histogram latency = histogram();
    Histogram delay = histogram();
    long pieces = 0;
    long changes = 0;
    long ownTime = 0;
    for (Worker worker : outcome.workers()) {
      latency.add(worker.latency);
      delay.add(worker.delay);
      pieces += worker.pieces;
      changes += worker.changes;
      ownTime += worker.ownTime;
    }
    return new Run(
        latency,
        delay,
        ownTime / 1e6 / latency.getTotalCount(),
        latency.getTotalCount() / times.seconds(),
        pieces / times.seconds(),
        outcome.switchesPerSecond(),
        changes * telling.syscalls() / times.seconds(),
        changes * telling.stores() / times.seconds(),
        outcome.stats().preemptions() / times.seconds(),
        outcome.stats().rescues() / times.seconds(),
        outcome.stats().hints() / times.seconds(),
        outcome.neighbour());
  }

  static Histogram histogram() {
    return new Histogram(TimeUnit.MINUTES.toNanos(1), DIGITS);
  }

  /** {@return when the request was due that the caller is to serve, or {@link #NONE}} */
  private long take() {
    while (true) {
      long request = next.get();
      long due = times.begin() + request * load.interval();
      if (due - System.nanoTime() > 0 || due - times.end() >= 0) {
        return NONE;
      }
      if (next.compareAndSet(request, request + 1)) {
        return due;
      }
    }
  }

  private Worker worker(int number) {
    return new Worker(number);
  }

  private final class Worker implements Runnable {

    private final Histogram latency = histogram();
    private final Histogram delay = histogram();
    private final Orders orders;
    private long pieces;
    private long changes;
    private long ownTime;
    private long sum;

    Worker(int number) {
      orders = new Orders(number);
    }

    @Override
    public void run() {
      while (true) {
        long due = take();
        if (due != NONE) {
          serve(due);
        } else if (System.nanoTime() - times.end() >= 0) {
          break;
        } else {
          sum += orders.reports(load.piece());
          pieces += times.measures(System.nanoTime()) ? 1 : 0;
        }
      }
    }

    private void serve(long due) {
      long before = Clock.ownTime();
      telling.urgent();
      sum += orders.reports(load.request());
      long own = Clock.ownTime() - before;
      long done = System.nanoTime();
      telling.normal();
      if (times.measures(due)) {
        latency.recordValue(done - due);
        delay.recordValue(Math.max(0, done - due - own));
        ownTime += own;
        changes += 2;
      }
    }
  }
}
