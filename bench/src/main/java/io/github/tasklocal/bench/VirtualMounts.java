// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import com.sun.management.ThreadMXBean;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

/**
 * What it costs to unmount a virtual thread and to mount it again: {@link Thread#yield} of a thread
 * that is alone on the one carrier. Each kind has JVMs of its own, which alternate. In each, the
 * shortest of many bursts counts, since all else of the machine only makes them longer.
 */
final class VirtualMounts {

  private static final int YIELDS = 200;
  private static final int BURSTS = 6_000;

  private static final String WITHOUT = "without";
  private static final String ELSEWHERE = "elsewhere";

  /** Numbers of values, and how much longer a mount may take with them. */
  private static final Map<Integer, Double> GOALS = new TreeMap<>(Map.of(1, 1.15, 4, 1.2, 16, 1.3));

  private static volatile boolean measuring;
  private static volatile boolean ended;

  private VirtualMounts() {}

  /** What is not loaded in a JVM without the library. */
  private static final class Keys {
    static final List<TaskLocal.OfInt> ALL =
        IntStream.range(0, 16).mapToObj(i -> TaskLocal.of("bench.mount" + i, JAVA_INT)).toList();

    static void set(int count) {
      for (int i = 0; i < count; i++) {
        ALL.get(i).set(i + 1);
      }
    }

    static void check(int count) {
      for (int i = 0; i < count; i++) {
        if (ALL.get(i).get() != i + 1) {
          throw new IllegalStateException("value " + i + " is " + ALL.get(i).get());
        }
      }
    }
  }

  static List<Row> rows(boolean quick) throws IOException {
    List<String> kinds = new ArrayList<>(List.of(WITHOUT, ELSEWHERE));
    GOALS.keySet().forEach(values -> kinds.add(Integer.toString(values)));
    Map<String, List<Double>> nanos = new TreeMap<>();
    Map<String, List<Double>> bytes = new TreeMap<>();
    for (int round = 0; round < (quick ? 5 : 15); round++) {
      for (String kind : kinds) {
        String[] line =
            Jvm.lines(Following.ONE_CARRIER, VirtualMounts.class, kind).get(0).split(" ");
        add(nanos, kind, line[0]);
        add(bytes, kind, line[1]);
      }
    }
    List<Row> rows = new ArrayList<>();
    rows.add(row("mount, a thread without values", nanos, ELSEWHERE, 1.02));
    GOALS.forEach(
        (values, goal) ->
            rows.add(
                row(
                    values == 1 ? "mount with 1 value" : "mount with " + values + " values",
                    nanos,
                    Integer.toString(values),
                    goal)));
    double more = measure(bytes, "16").value() - measure(bytes, WITHOUT).value();
    rows.add(
        new Row(
            "virtual",
            "allocated by a mount, 16 values",
            "B",
            new Measure(more, more, more),
            null,
            null,
            Bench.PROFILER_BYTES,
            "Without the library it is %.0f B, which are subtracted."
                .formatted(measure(bytes, WITHOUT).value())));
    return rows;
  }

  private static void add(Map<String, List<Double>> all, String kind, String number) {
    all.computeIfAbsent(kind, ignored -> new ArrayList<>()).add(Double.valueOf(number));
  }

  private static Row row(String name, Map<String, List<Double>> nanos, String kind, double goal) {
    return new Row(
        "virtual",
        name,
        "ns",
        measure(nanos, kind),
        "without the library",
        measure(nanos, WITHOUT),
        goal,
        null);
  }

  private static Measure measure(Map<String, List<Double>> all, String kind) {
    return Measure.of(
        all.getOrDefault(kind, List.of()).stream().mapToDouble(Double::doubleValue).toArray());
  }

  /**
   * Measures, and prints the nanoseconds and the bytes of a mount.
   *
   * @param args the kind of thread, and {@code none} if no map is to be open
   */
  @SuppressWarnings("try") // the map only has to be open
  public static void main(String[] args) throws InterruptedException {
    String kind = args[0];
    if (kind.equals(WITHOUT)) {
      run(0, false);
    } else if (args.length > 1) {
      run(kind);
    } else {
      try (BpfObject object = Bundled.load("bench_maps");
          TaskLocalMap ignored = TaskLocalMap.of(object.map("task_local_data_map").fd())) {
        run(kind);
      }
    }
  }

  private static void run(String kind) throws InterruptedException {
    boolean elsewhere = kind.equals(ELSEWHERE);
    run(elsewhere ? 0 : Integer.parseInt(kind), elsewhere);
    Following.check();
  }

  private static void run(int values, boolean elsewhere) throws InterruptedException {
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread other = Thread.ofVirtual().unstarted(() -> guarded(failure, VirtualMounts::other));
    if (elsewhere) {
      other.start();
    }
    Thread thread = Thread.ofVirtual().unstarted(() -> guarded(failure, () -> measure(values)));
    thread.start();
    thread.join();
    ended = true;
    if (elsewhere) {
      LockSupport.unpark(other);
      other.join();
    }
    if (failure.get() != null) {
      throw new IllegalStateException("a virtual thread has failed", failure.get());
    }
  }

  private static void guarded(AtomicReference<Throwable> failure, Runnable task) {
    try {
      task.run();
    } catch (RuntimeException | Error e) {
      failure.set(e);
    }
  }

  /** Has values: while the compiler learns it mounts as often as the other, and then it waits. */
  private static void other() {
    Keys.set(4);
    while (!measuring) {
      Thread.yield();
    }
    while (!ended) {
      LockSupport.park();
    }
    Keys.check(4);
  }

  private static void measure(int values) {
    if (values > 0) {
      Keys.set(values);
    }
    long[] nanos = new long[BURSTS];
    burst(nanos, BURSTS / 2);
    measuring = true;
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long bytesBefore = threads.getTotalThreadAllocatedBytes();
    burst(nanos, BURSTS / 2);
    long bytes = threads.getTotalThreadAllocatedBytes() - bytesBefore;
    if (values > 0) {
      Keys.check(values);
    }
    System.out.printf(
        "%.2f %.2f%n",
        Arrays.stream(nanos).filter(each -> each > 0).min().orElseThrow() / (double) YIELDS,
        bytes / (double) (YIELDS * (BURSTS / 2)));
  }

  private static void burst(long[] nanos, int bursts) {
    for (int i = 0; i < bursts; i++) {
      long start = System.nanoTime();
      for (int j = 0; j < YIELDS; j++) {
        Thread.yield();
      }
      nanos[i] = System.nanoTime() - start;
    }
  }
}
