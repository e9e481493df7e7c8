// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.ServeProcess;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a process pays that is served over a socket, beside one that opens the same map itself. Both
 * are JVMs that take turns and differ only in the path that they are given. An access is the
 * fastest of many short loops in each JVM, since other work on the machine only adds to it.
 */
final class ServedCosts {

  private static final String GROUP = "served";
  private static final String BESIDE = "a map open";

  private static final int LOOPS = 2_000;

  /** Few enough that a process may have a page for each, since none is used again soon. */
  private static final int WARM_UP = 1_000;

  private static final int THREADS = 1_000;

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

  private ServedCosts() {}

  /** What JVMs of one kind have measured. */
  private record Results(List<Double> sets, List<Double> gets, List<Double> firsts) {

    Results() {
      this(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    }

    void measure(Path path) throws IOException {
      List<String> lines = Jvm.lines(List.of("-Dtasklocal.map=" + path), ServedCosts.class);
      sets.add(Double.parseDouble(lines.get(0)));
      gets.add(Double.parseDouble(lines.get(1)));
      for (String each : lines.get(2).split(" ")) {
        firsts.add(Double.parseDouble(each));
      }
    }
  }

  static List<Row> rows(boolean quick) throws IOException {
    Results served = new Results();
    Results own = new Results();
    int rounds = quick ? 3 : 9;
    try (Bpffs bpffs = new Bpffs("rwx------");
        ServeProcess side = new ServeProcess(bpffs.path("tasklocal"))) {
      for (int round = 0; round < rounds; round++) {
        own.measure(side.byName(Wire.A.mapName()));
        served.measure(side.socket());
      }
    }
    List<Row> rows =
        new ArrayList<>(
            List.of(
                row("served: set an int", served.sets(), own.sets(), 1.0),
                row("served: get an int", served.gets(), own.gets(), 1.0),
                row("served: first use, by pidfd", served.firsts(), own.firsts(), null)));
    Results hooked = hooked(rounds);
    if (hooked != null) {
      rows.add(row("served: first use, by prctl", hooked.firsts(), own.firsts(), 1.3));
    }
    return rows;
  }

  /** {@return the same where threads register themselves; null where no program can answer them} */
  private static @Nullable Results hooked(int rounds) throws IOException {
    Results results = new Results();
    try (Bpffs bpffs = new Bpffs("rwx------");
        ServeProcess side =
            new ServeProcess(
                bpffs.path("tasklocal"), "--slots", "-Dtasklocal.serve.hook=register_modify")) {
      for (int round = 0; round < rounds; round++) {
        results.measure(side.socket());
      }
      return results;
    } catch (IllegalStateException e) {
      System.err.println("first use by prctl is not measured: " + e.getMessage());
      return null;
    }
  }

  private static Row row(
      String name, List<Double> served, List<Double> own, @Nullable Double goal) {
    return new Row(GROUP, name, "ns", Measure.of(served), BESIDE, Measure.of(own), goal, null);
  }

  /** Measures; prints the fastest set, the fastest get, and all first uses, in nanoseconds. */
  public static void main(String[] args) throws InterruptedException {
    INT.set(0);
    System.out.println(Loops.fastest(LOOPS, Loops::sets));
    System.out.println(Loops.fastest(LOOPS, Loops::gets));
    long[] firsts = new long[THREADS];
    for (int i = -WARM_UP; i < THREADS; i++) {
      int index = i;
      Thread thread =
          new Thread(
              () -> {
                long nanos = firstUse();
                if (index >= 0) {
                  firsts[index] = nanos;
                }
              });
      thread.start();
      thread.join();
    }
    System.out.println(String.join(" ", Arrays.stream(firsts).mapToObj(Long::toString).toList()));
  }

  private static long firstUse() {
    long start = System.nanoTime();
    INT.set(1);
    return System.nanoTime() - start;
  }
}
