// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kit.Await;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Processes are killed at random moments, from their start on, and the serving side with them or
 * while they start, beside one process that lives.
 */
final class ServedKilled {

  /** Few enough that none asks for a second array. */
  private static final int THREADS = 40;

  /** What the stock of a serving side has that was started anew. */
  private static final int STOCK = 4;

  private ServedKilled() {}

  static SoakRow row(boolean slots) {
    return new SoakRow(
        slots ? "served-killed-s" : "served-killed",
        "Processes are killed at random moments, " + (slots ? "slots" : "uptrs"),
        List.of("-Xmx256m"),
        run -> measure(run, slots));
  }

  private static void measure(SoakRun run, boolean slots) throws Exception {
    int rounds = run.times(100, 3);
    Random random = run.random();
    Served served = new Served(run, slots);
    ServedProcess steady = served.process(THREADS);
    long wrong = steady.still();
    long _ = Await.until("its threads", () -> served.seen(List.of(steady)), n -> n == THREADS);
    long unseen = 0;
    int killed = 0;
    int restarts = 0;
    for (int i = 1; i <= rounds; i++) {
      List<ServedProcess> others = new ArrayList<>();
      boolean away = random.nextInt(4) == 0;
      if (away) {
        served.side().kill();
      }
      for (int n = 0; n < 2; n++) {
        ServedProcess other = served.process(THREADS);
        other.storm();
        others.add(other);
      }
      look(served, others, random.nextInt(400));
      if (away) {
        served.side().start(); // while they start
        restarts++;
      } else if (random.nextInt(3) == 0) {
        served.side().kill();
        look(served, others, random.nextInt(100));
        others.removeFirst().kill();
        killed++;
        served.side().start();
        restarts++;
      }
      look(served, others, random.nextInt(400));
      for (ServedProcess other : others) {
        other.kill();
        killed++;
      }
      unseen += THREADS - served.seen(List.of(steady));
      run.progress(i, rounds, "rounds");
    }
    served.side().kill();
    served.side().start();
    long arrays =
        Await.until("the stock, and one array", served.side()::arrays, n -> n == STOCK + 1);
    ServedProcess last = served.process(THREADS);
    wrong += last.still();
    List<ServedProcess> living = List.of(steady, last);
    long seen = Await.until("all threads", () -> served.seen(living), n -> n == 2L * THREADS);
    run.any("processes killed", killed);
    run.any("restarts meanwhile", restarts);
    run.any("looks at a process's values", served.looks());
    run.equal(0, "values of another thread in BPF", served.wrong());
    run.equal(0, "values of the one that lives, unseen", unseen);
    run.equal(0, "values not zero, or lost in Java", wrong);
    run.equal(2L * THREADS, "values written last, seen by BPF", seen);
    run.equal(2L * THREADS, "entries in BPF", served.entries(living));
    run.equal(STOCK + 1L, "arrays, with a stock of " + STOCK, arrays);
    living.forEach(ServedProcess::close);
    run.equal(0, "arrays left at the end of all", served.arraysAfterTheEnd());
  }

  private static void look(Served served, List<ServedProcess> processes, int millis) {
    long end = System.nanoTime() + millis * 1_000_000L;
    do {
      long _ = served.entries(processes);
    } while (System.nanoTime() < end);
  }
}
