// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kit.Machine;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.ThreadPages;
import io.github.tasklocal.selftest.Fixture;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/** Threads that come and go: memory grows with those that live, not with all that ever did. */
final class ShortThreads {

  private static final int ALIVE = 200;
  private static final int STAYING = 180;
  private static final int AFTER = 20_000;
  private static final int LEFT = 50;
  private static final long HEAP = 64L << 20;

  private final AtomicInteger wrong = new AtomicInteger();

  private ShortThreads() {}

  static SoakRow row() {
    return new SoakRow(
        "short-threads",
        "Threads that come and go",
        List.of("-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"),
        run -> new ShortThreads().measure(run));
  }

  /** A thread that sets its value, and lives until it is told to end. */
  private final class Brief extends Thread {
    private final Tasks tasks;
    private volatile boolean end;

    Brief(Tasks tasks) {
      this.tasks = tasks;
    }

    @Override
    public void run() {
      long before = Tasks.KEY.get();
      long value = tasks.first();
      Tasks.KEY.set(value);
      while (!end) {
        LockSupport.park(this);
      }
      if (before != 0 || Tasks.KEY.get() != value) {
        wrong.incrementAndGet();
      }
    }

    void end() {
      end = true;
      LockSupport.unpark(this);
    }

    /** Without join, for which the JVM makes a monitor for each thread and frees it long after. */
    void awaitEnd() {
      while (isAlive()) {
        LockSupport.parkNanos(this, 1);
      }
    }
  }

  private void measure(SoakRun run) throws Exception {
    int threads = run.times(1_000_000, 60_000);
    Fixture fixture = run.on(Wire.A);
    var object = fixture.load("soak_tasks");
    Tasks tasks = new Tasks(object);
    var map = fixture.share(object);
    Deque<Brief> alive = new ArrayDeque<>();
    Deque<Brief> ending = new ArrayDeque<>();
    long baseline = 0;
    for (int i = 1; i <= threads; i++) {
      if (alive.size() + ending.size() == ALIVE) {
        ending.remove().awaitEnd();
      }
      Brief next = new Brief(tasks);
      next.start();
      alive.add(next);
      if (alive.size() > STAYING) {
        Brief oldest = alive.remove();
        oldest.end();
        ending.add(oldest);
      }
      if (i == AFTER) {
        baseline = nativeMemory();
      }
      run.progress(i, threads, "threads");
    }
    long growth = nativeMemory() - baseline;
    int pages = ThreadPages.REGISTRY.pages();
    while (alive.size() > LEFT) {
      alive.remove().end();
    }
    // The kernel's threads end a moment after Java's.
    Map<Integer, Long> seen = tasks.values(values -> values.size() == LEFT);
    alive.forEach(Brief::end);
    run.any("threads started", threads);
    run.atMost(5, "native memory since the 20,000th", 100.0 * growth / baseline, "%");
    run.any("native memory", (baseline + growth) / 1e6, "MB");
    run.atMost(2 * ALIVE, "pages held for %d threads".formatted(ALIVE), pages, "");
    run.equal(LEFT, "entries seen by BPF, %d alive".formatted(LEFT), seen.size());
    run.equal(LEFT, "of them with their own value", Tasks.own(seen));
    run.equal(0, "values not zero, or lost", wrong.get());
    run.equal(0, "failed registrations", map.failures());
  }

  /** {@return the resident memory without the heap, all of which is resident} */
  private static long nativeMemory() throws IOException {
    String resident = Machine.status().getOrDefault("VmRSS", "0 kB");
    return Long.parseLong(resident.split(" ", 2)[0]) * 1024 - HEAP;
  }
}
