// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * A new thread's first use of a key, beside the same calls by hand. The two alternate in one JVM,
 * one thread at a time; each thread measures what it does, and not its own start.
 *
 * <p>By hand, too, each thread is the first to touch its page, and asks for its own id.
 */
final class FirstUse {

  private static final int WARM_UP = 20_000;
  private static final int THREADS = 5_000;

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

  private FirstUse() {}

  static List<Row> rows(boolean quick) throws IOException, InterruptedException {
    List<double[]> ours = new ArrayList<>();
    List<double[]> byHand = new ArrayList<>();
    List<double[]> without = new ArrayList<>();
    for (int round = 0; round < (quick ? 1 : 3); round++) {
      List<String> lines = Jvm.lines(List.of(), FirstUse.class, "map");
      ours.add(numbers(lines.get(0)));
      byHand.add(numbers(lines.get(1)));
      without.add(numbers(Jvm.lines(List.of(), FirstUse.class, "none").get(0)));
    }
    return List.of(
        new Row(
            "first-use",
            "first use, one map open",
            "ns",
            measure(ours),
            "registered by hand",
            measure(byHand),
            1.2,
            null),
        new Row(
            "first-use",
            "the same, mean",
            "ns",
            new Measure(mean(ours), mean(ours), mean(ours)),
            "registered by hand",
            new Measure(mean(byHand), mean(byHand), mean(byHand)),
            1.2,
            "Some first uses also take back the pages of ended threads, which no code by hand"
                + " does."),
        new Row(
            "first-use", "first use, no map open", "ns", measure(without), null, null, null, null));
  }

  private static double[] numbers(String line) {
    return Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
  }

  private static Measure measure(List<double[]> rounds) {
    return Measure.of(rounds.stream().flatMapToDouble(Arrays::stream).toArray());
  }

  private static double mean(List<double[]> rounds) {
    return rounds.stream().flatMapToDouble(Arrays::stream).average().orElseThrow();
  }

  /**
   * Measures, and prints a line of nanoseconds for each kind.
   *
   * @param args {@code map}, or {@code none} to measure without one
   */
  @SuppressWarnings("try") // the map only has to be open
  public static void main(String[] args) throws InterruptedException {
    if (args[0].equals("none")) {
      double[] samples = new double[THREADS];
      for (int i = -WARM_UP; i < THREADS; i++) {
        sample(samples, i, FirstUse::use);
      }
      print(samples);
      return;
    }
    try (BpfObject object = Bundled.load("bench_maps");
        BpfObject other = Bundled.load("bench_maps");
        TaskLocalMap ignored = TaskLocalMap.of(object.map("task_local_data_map").fd())) {
      int map = other.map("task_local_data_map").fd();
      MemorySegment pages = ByHand.untouchedPages(WARM_UP + THREADS);
      long keyPage = Arena.global().allocate(ByHand.PAGE, ByHand.PAGE).address();
      ByHand.Entry entry = new ByHand.Entry(Arena.global(), keyPage);
      double[] ours = new double[THREADS];
      double[] byHand = new double[THREADS];
      for (int i = -WARM_UP; i < THREADS; i++) {
        MemorySegment page = pages.asSlice((i + WARM_UP) * ByHand.PAGE, ByHand.PAGE);
        sample(ours, i, FirstUse::use);
        sample(byHand, i, () -> register(map, page, entry));
      }
      print(ours);
      print(byHand);
    }
  }

  /** Works in a new thread, and keeps the time unless it is for warming up. */
  private static void sample(double[] samples, int index, LongSupplier work)
      throws InterruptedException {
    Thread thread =
        new Thread(
            () -> {
              long nanos = work.getAsLong();
              if (index >= 0) {
                samples[index] = nanos;
              }
            });
    thread.start();
    thread.join();
  }

  private static long use() {
    long start = System.nanoTime();
    INT.set(1);
    return System.nanoTime() - start;
  }

  private static long register(int map, MemorySegment page, ByHand.Entry entry) {
    long start = System.nanoTime();
    entry.register(map, ByHand.gettid(), page.address());
    page.set(JAVA_INT, 8, 1);
    return System.nanoTime() - start;
  }

  private static void print(double[] samples) {
    StringBuilder line = new StringBuilder();
    for (double sample : samples) {
      line.append((long) sample).append(' ');
    }
    System.out.println(line);
  }
}
