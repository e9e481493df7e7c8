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
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * What many live threads cost that have used a key before any map is open: opening the first map,
 * what other threads' first uses wait for meanwhile, an access, and looking after them all. As many
 * threads as are asked for, or as the machine lets a process have.
 */
final class LiveThreads {

  private static final int FEW = 10;

  /** How many of the threads measure an access. */
  private static final int MEASURED = 50;

  private static final int LOOPS = 100;
  private static final int WARM_UP = 2_000;
  private static final long STACK_BYTES = 256 << 10;
  private static final int KEEPER_SECONDS = 5;

  /** After ten rounds another thread goes on. */
  private static final int KEEPER_BEGINS = 14;

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

  private LiveThreads() {}

  static List<Row> rows(boolean quick) throws IOException {
    double[] few = child(FEW);
    double[] many = child(quick ? 5_000 : 20_000);
    int threads = (int) many[0];
    String opened =
        "%,d threads; opened in %.0f ms, and registered by hand in %.0f ms."
            .formatted(threads, many[1], many[2]);
    return List.of(
        row("first map opened, 100,000 threads", "ms", many[1] * 100_000 / threads, 1000, opened),
        row(
            "first use meanwhile, of 100 the 99th",
            "ms",
            many[3],
            1,
            "The longest took %.1f ms.".formatted(many[4])),
        row("the keeper, each second", "ms", many[5], 1, null),
        beside("set an int, %,d threads live".formatted(threads), many[6], few[6]),
        beside("get an int, %,d threads live".formatted(threads), many[7], few[7]));
  }

  private static Row row(
      String name, String unit, double value, double goal, @Nullable String note) {
    return new Row("scale", name, unit, new Measure(value, value, value), null, null, goal, note);
  }

  private static Row beside(String name, double many, double few) {
    return new Row(
        "scale",
        name,
        "ns",
        new Measure(many, many, many),
        FEW + " threads",
        new Measure(few, few, few),
        1.1,
        null);
  }

  private static double[] child(int threads) throws IOException {
    List<String> lines =
        Jvm.lines(
            List.of("-Xmx2g", "-XX:+UseSerialGC"), LiveThreads.class, String.valueOf(threads));
    return Arrays.stream(lines.get(0).split(" ")).mapToDouble(Double::parseDouble).toArray();
  }

  /**
   * Measures, and prints a line: the threads that there could be; the milliseconds in which the map
   * was opened, and in which they were registered by hand; those of first uses meanwhile; those of
   * the keeper; the nanoseconds of an access.
   *
   * @param args how many threads
   */
  @SuppressWarnings("try") // the map only has to be open
  public static void main(String[] args) throws Exception {
    Lives lives = new Lives(Integer.parseInt(args[0]));
    try (BpfObject object = Bundled.load("bench_maps");
        BpfObject other = Bundled.load("bench_maps")) {
      warmUp();
      FirstUses meanwhile = new FirstUses();
      long start = System.nanoTime();
      try (TaskLocalMap map = TaskLocalMap.of(object.map("task_local_data_map").fd())) {
        double opened = millis(start);
        double[] uses = meanwhile.end();
        if (!(map.state() instanceof TaskLocalMap.Attached state)
            || state.threads() < lives.count()
            || state.unregistered() > 0) {
          throw new IllegalStateException("not all threads are registered: " + map.state());
        }
        double keeper = keeperMillis();
        double[] accesses = lives.accesses();
        double byHand = lives.byHand(other.map("task_local_data_map").fd());
        System.out.printf(
            "%d %f %f %f %f %f %f %f%n",
            lives.count(),
            opened,
            byHand,
            uses[(int) (uses.length * 0.99)],
            uses[uses.length - 1],
            keeper,
            accesses[0],
            accesses[1]);
      }
    }
    System.out.flush();
    Runtime.getRuntime().halt(0); // not one by one
  }

  private static double millis(long start) {
    return (System.nanoTime() - start) / 1e6;
  }

  /** Has the JIT compile what a first use does. */
  private static void warmUp() throws InterruptedException {
    for (int i = 0; i < WARM_UP; i++) {
      Thread thread = new Thread(() -> INT.set(1));
      thread.start();
      thread.join();
    }
  }

  /** {@return the processor time of the keeper in a second, once it is its own last thread} */
  private static double keeperMillis() throws InterruptedException {
    TimeUnit.SECONDS.sleep(KEEPER_BEGINS);
    long keeper =
        Thread.getAllStackTraces().keySet().stream()
            .filter(each -> each.getName().equals("tasklocal-keeper"))
            .mapToLong(Thread::threadId)
            .max()
            .orElseThrow();
    var times = ManagementFactory.getThreadMXBean();
    long before = times.getThreadCpuTime(keeper);
    TimeUnit.SECONDS.sleep(KEEPER_SECONDS);
    return (times.getThreadCpuTime(keeper) - before) / 1e6 / KEEPER_SECONDS;
  }

  /** Threads that use a key for the first time, one after the other, until that is ended. */
  private static final class FirstUses {
    private final List<Double> millis = new ArrayList<>();
    private final Thread starter = new Thread(this::run);
    private volatile boolean isOver;

    FirstUses() {
      starter.start();
    }

    private void run() {
      try {
        do {
          Thread thread =
              new Thread(
                  () -> {
                    long start = System.nanoTime();
                    INT.set(1);
                    millis.add(millis(start));
                  });
          thread.start();
          thread.join();
        } while (!isOver);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }

    /** {@return how long each took, sorted} */
    double[] end() throws InterruptedException {
      isOver = true;
      starter.join();
      return millis.stream().mapToDouble(each -> each).sorted().toArray();
    }
  }

  /** Threads that have used a key, and wait. */
  private static final class Lives {
    private final List<Integer> tids = new ArrayList<>();
    private final CountDownLatch measures = new CountDownLatch(1);
    private final CountDownLatch measured;
    private final List<double[]> nanos = new ArrayList<>();

    Lives(int most) throws InterruptedException {
      int step = Math.max(1, most / MEASURED);
      int count = 0;
      int measuring = 0;
      for (; count < most; count++) {
        boolean isMeasuring = count % step == 0;
        CountDownLatch ready = new CountDownLatch(1);
        Thread thread =
            new Thread(null, () -> live(ready, isMeasuring), "live-" + count, STACK_BYTES);
        thread.setDaemon(true);
        try {
          thread.start();
        } catch (OutOfMemoryError e) {
          break; // no more threads, or mappings for their stacks
        }
        ready.await();
        if (tids.size() == count) {
          throw new IllegalStateException("a thread could not use a key");
        }
        measuring += isMeasuring ? 1 : 0;
      }
      measured = new CountDownLatch(measuring);
    }

    int count() {
      return tids.size();
    }

    private void live(CountDownLatch ready, boolean isMeasuring) {
      try {
        INT.set(7);
        tids.add(ByHand.gettid()); // one thread at a time
      } finally {
        ready.countDown();
      }
      try {
        measures.await();
        if (isMeasuring) {
          measure();
          measured.countDown();
        }
        Thread.sleep(Long.MAX_VALUE);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }

    private synchronized void measure() {
      nanos.add(
          new double[] {Loops.fastest(LOOPS, Loops::sets), Loops.fastest(LOOPS, Loops::gets)});
    }

    /** {@return the nanoseconds of a set and of a get, each the median of some threads} */
    double[] accesses() throws InterruptedException {
      measures.countDown();
      measured.await();
      return new double[] {median(0), median(1)};
    }

    private double median(int which) {
      return Measure.of(nanos.stream().mapToDouble(each -> each[which]).toArray()).value();
    }

    /** {@return the milliseconds in which all can be registered without the library} */
    double byHand(int map) {
      MemorySegment pages = ByHand.untouchedPages(count());
      for (int i = 0; i < count(); i++) {
        pages.set(JAVA_INT, i * ByHand.PAGE, 8);
      }
      ByHand.Entry entry =
          new ByHand.Entry(
              Arena.global(), Arena.global().allocate(ByHand.PAGE, ByHand.PAGE).address());
      long start = System.nanoTime();
      for (int i = 0; i < count(); i++) {
        entry.register(map, tids.get(i), pages.address() + i * ByHand.PAGE);
      }
      return millis(start);
    }
  }
}
