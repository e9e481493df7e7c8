// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.TaskLocalThread;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The first use of a key by a virtual thread, and threads that start, set one value and end. All
 * share one carrier.
 */
final class VirtualStarts {

  private static final int WARM_UP = 20_000;
  private static final int SAMPLES = 2_000;
  private static final int ROUND = 1_000;
  private static final int ROUNDS = 600;

  private static final AtomicInteger RUN = new AtomicInteger();

  private VirtualStarts() {}

  /** What is not loaded in a JVM without the library. */
  private static final class Ours {
    static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

    static void set() {
      INT.set(7);
    }

    static ThreadFactory factory() {
      return TaskLocalThread.virtualFactory("bench-");
    }
  }

  static List<Row> rows(boolean quick) throws IOException {
    List<double[]> empty = new ArrayList<>();
    List<double[]> queued = new ArrayList<>();
    List<double[]> ends = new ArrayList<>();
    List<double[]> yields = new ArrayList<>();
    List<double[]> sets = new ArrayList<>();
    List<double[]> named = new ArrayList<>();
    List<double[]> made = new ArrayList<>();
    for (int round = 0; round < (quick ? 3 : 9); round++) {
      List<String> lines = Jvm.lines(Following.ONE_CARRIER, VirtualStarts.class, "first");
      empty.add(numbers(lines.get(0)));
      queued.add(numbers(lines.get(1)));
      ends.add(numbers(child("ends")));
      yields.add(numbers(child("yields")));
      sets.add(numbers(child("sets")));
      named.add(numbers(child("named")));
      made.add(numbers(child("made")));
    }
    return List.of(
        new Row(
            "virtual",
            "first use, no thread queued",
            "ns",
            measure(empty),
            null,
            null,
            5000.0,
            null),
        new Row(
            "virtual", "first use, 1,000 queued", "ns", measure(queued), null, null, 5000.0, null),
        new Row(
            "virtual",
            "start, set one value, end",
            "ns",
            measure(sets),
            "start and end",
            measure(ends),
            1.6,
            null),
        new Row(
            "virtual",
            "the same",
            "ns",
            measure(sets),
            "start, yield once, end",
            measure(yields),
            null,
            "The first use unmounts the thread once, and mounts it again."),
        new Row(
            "virtual",
            "the same, virtualFactory",
            "ns",
            measure(made),
            "threads with names",
            measure(named),
            null,
            "Values of these threads follow from the first step."));
  }

  private static String child(String kind) throws IOException {
    return Jvm.lines(Following.ONE_CARRIER, VirtualStarts.class, kind).get(0);
  }

  private static double[] numbers(String line) {
    return Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
  }

  private static Measure measure(List<double[]> rounds) {
    return Measure.of(rounds.stream().flatMapToDouble(Arrays::stream).toArray());
  }

  /**
   * Measures, and prints a line of nanoseconds for each kind.
   *
   * @param args what to measure, and {@code none} if no map is to be open
   */
  @SuppressWarnings("try") // the map only has to be open
  public static void main(String[] args) throws InterruptedException {
    switch (args[0]) {
      case "ends" -> rounds(Thread.ofVirtual().factory(), VirtualStarts::end);
      case "yields" -> rounds(Thread.ofVirtual().factory(), VirtualStarts::yieldAndEnd);
      case "named" -> rounds(Thread.ofVirtual().name("bench-", 0).factory(), VirtualStarts::end);
      default -> {
        if (args.length > 1) {
          ours(args[0]);
        } else {
          try (BpfObject object = Bundled.load("bench_maps");
              TaskLocalMap ignored = TaskLocalMap.of(object.map("task_local_data_map").fd())) {
            ours(args[0]);
          }
        }
        Following.check();
      }
    }
  }

  private static void ours(String kind) throws InterruptedException {
    switch (kind) {
      case "sets" -> rounds(Thread.ofVirtual().factory(), VirtualStarts::setAndEnd);
      case "made" -> rounds(Ours.factory(), VirtualStarts::setAndEnd);
      default -> {
        first(WARM_UP, SAMPLES, 0);
        first(SAMPLES, SAMPLES, ROUND);
      }
    }
  }

  /** Each of these threads has others in its carrier's queue when it uses the key. */
  private static void first(int warmUp, int samples, int queued) throws InterruptedException {
    long[] nanos = new long[samples];
    for (int i = -warmUp; i < samples; i++) {
      int index = Math.max(i, 0);
      RUN.set(0);
      Thread thread =
          Thread.ofVirtual()
              .start(
                  () -> {
                    for (int j = 0; j < queued; j++) {
                      Thread ignored = Thread.startVirtualThread(VirtualStarts::end);
                    }
                    boolean wait = RUN.get() == 0;
                    long start = System.nanoTime();
                    Ours.set();
                    long end = System.nanoTime();
                    nanos[index] = wait ? end - start : -1;
                  });
      thread.join();
      while (RUN.get() < queued) {
        Thread.onSpinWait();
      }
    }
    if (Arrays.stream(nanos).anyMatch(each -> each < 0)) {
      throw new IllegalStateException("the threads did not wait in the queue");
    }
    print(nanos, 1);
  }

  private static void end() {
    int ignored = RUN.incrementAndGet();
  }

  private static void yieldAndEnd() {
    Thread.yield();
    end();
  }

  private static void setAndEnd() {
    Ours.set();
    end();
  }

  /** A virtual thread starts many, and waits for their ends. */
  private static void rounds(ThreadFactory factory, Runnable task) throws InterruptedException {
    long[] nanos = new long[ROUNDS];
    Thread.ofVirtual()
        .start(
            () -> {
              for (int i = 0; i < 2 * ROUNDS; i++) {
                RUN.set(0);
                long start = System.nanoTime();
                for (int j = 0; j < ROUND; j++) {
                  factory.newThread(task).start();
                }
                while (RUN.get() < ROUND) {
                  Thread.yield();
                }
                nanos[i % ROUNDS] = System.nanoTime() - start;
              }
            })
        .join();
    print(nanos, ROUND);
  }

  private static void print(long[] nanos, int divisor) {
    StringBuilder line = new StringBuilder();
    for (long each : nanos) {
      line.append((double) each / divisor).append(' ');
    }
    System.out.println(line);
  }
}
