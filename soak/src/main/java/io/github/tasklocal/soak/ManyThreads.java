// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kernel.KernelPage;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.ThreadPages;
import io.github.tasklocal.selftest.Check;
import io.github.tasklocal.selftest.Fixture;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** Many threads alive at once: BPF sees each one's own value. */
final class ManyThreads {

  private ManyThreads() {}

  static SoakRow row() {
    return new SoakRow(
        "many-threads",
        "Threads alive at once",
        List.of("-Xmx512m", "-Xss256k", "-XX:+UseSerialGC"),
        ManyThreads::measure);
  }

  private static void measure(SoakRun run) throws Exception {
    int threads = run.times(10_000, 2_000);
    Fixture fixture = run.on(Wire.C);
    var object = fixture.load("soak_tasks");
    Tasks tasks = new Tasks(object);
    var map = fixture.share(object);
    long pinned = pinned();
    AtomicInteger lost = new AtomicInteger();
    CountDownLatch written = new CountDownLatch(threads);
    CountDownLatch end = new CountDownLatch(1);
    List<Thread> all = new ArrayList<>();
    for (int i = 1; i <= threads; i++) {
      all.add(
          Thread.ofPlatform()
              .daemon()
              .start(
                  () -> {
                    long value;
                    try {
                      value = tasks.first();
                      Tasks.KEY.set(value);
                    } finally {
                      written.countDown();
                    }
                    try {
                      end.await();
                    } catch (InterruptedException e) {
                      lost.incrementAndGet();
                    }
                    if (Tasks.KEY.get() != value) {
                      lost.incrementAndGet();
                    }
                  }));
      run.progress(i, threads, "threads");
    }
    written.await();
    int pages = ThreadPages.REGISTRY.pages();
    long pins = pinned() - pinned;
    Map<Integer, Long> seen = tasks.values();
    Check.equal(threads, map.threads(), "registered threads");
    end.countDown();
    for (Thread thread : all) {
      thread.join();
    }
    run.equal(threads, "entries seen by BPF", seen.size());
    run.equal(threads, "of them with their own value", Tasks.own(seen));
    run.equal(0, "values lost in Java", lost.get());
    run.equal(0, "failed registrations", map.failures());
    run.any("memory for a thread", (double) pages * KernelPage.BYTES / threads, "bytes");
    run.any("pins the kernel counts for it", (double) pins / threads, "pages");
  }

  /** {@return how many pages are pinned in the whole system, as far as the kernel counts them} */
  private static long pinned() throws Exception {
    long acquired = 0;
    long released = 0;
    for (String line : Files.readAllLines(Path.of("/proc/vmstat"))) {
      String[] parts = line.split(" ", 2);
      switch (parts[0]) {
        case "nr_foll_pin_acquired" -> acquired = Long.parseLong(parts[1]);
        case "nr_foll_pin_released" -> released = Long.parseLong(parts[1]);
        default -> {}
      }
    }
    return acquired - released;
  }
}
