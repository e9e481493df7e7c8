// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kit.Await;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * The serving side is killed and started again under processes whose threads come and go. Each time
 * it is away, all their threads are new: none is registered when it comes back.
 */
final class ServeKilled {

  private static final int PROCESSES = 4;

  private ServeKilled() {}

  static SoakRow row(boolean slots) {
    return new SoakRow(
        slots ? "serve-killed-s" : "serve-killed",
        "The serving side is killed and started again, " + (slots ? "slots" : "uptrs"),
        List.of("-Xmx256m"),
        run -> measure(run, slots));
  }

  private static void measure(SoakRun run, boolean slots) throws Exception {
    int kills = run.times(100, 2);
    int threads = run.times(250, 50);
    long all = (long) PROCESSES * threads;
    Random random = run.random();
    Served served = new Served(run, slots);
    List<ServedProcess> processes = new ArrayList<>();
    for (int i = 0; i < PROCESSES; i++) {
      processes.add(served.process(threads));
    }
    List<Long> gaps = new ArrayList<>();
    long memory = 0;
    for (int i = 1; i <= kills; i++) {
      for (ServedProcess process : processes) {
        process.storm();
      }
      long end = System.nanoTime() + random.nextInt(500) * 1_000_000L;
      do {
        long _ = served.entries(processes);
      } while (System.nanoTime() < end);
      if (i == (kills + 1) / 2) {
        memory = served.side().memory();
      }
      served.side().kill();
      long _ = still(processes);
      served.side().start();
      long began = System.nanoTime();
      long _ = Await.until("all new threads", () -> served.seen(processes), seen -> seen == all);
      gaps.add((System.nanoTime() - began) / 1_000_000);
      run.progress(i, kills, "restarts");
    }
    long wrongInJava = still(processes);
    long seen = Await.until("the last threads", () -> served.seen(processes), n -> n == all);
    run.equal(kills, "restarts, all threads seen after each", gaps.size());
    run.any("looks at a process's values", served.looks());
    run.equal(0, "values of another thread in BPF", served.wrong());
    run.equal(0, "values not zero, or lost in Java", wrongInJava);
    run.equal(all, "values written last, seen by BPF", seen);
    run.equal(all, "entries in BPF", served.entries(processes));
    Collections.sort(gaps);
    String figure = "time until %,d threads are seen".formatted(all);
    run.any(figure, gaps.get(gaps.size() / 2), "ms");
    run.any("the same at worst", gaps.getLast(), "ms");
    run.any("its memory in the midst", memory / 1e6, "MB");
    run.any("arrays at the end", served.side().arrays());
    processes.forEach(ServedProcess::close);
    run.equal(0, "arrays left at the end of all", served.arraysAfterTheEnd());
    run.equal(0, "sockets left", Files.exists(served.side().socket()) ? 1 : 0);
    run.equal(0, "entries left", served.entries(processes));
  }

  /** Has all threads be new ones; {@return what was wrong in Java until then} */
  private static long still(List<ServedProcess> processes) throws IOException {
    for (ServedProcess process : processes) {
      process.begin();
    }
    long wrong = 0;
    for (ServedProcess process : processes) {
      wrong += process.end();
    }
    return wrong;
  }
}
