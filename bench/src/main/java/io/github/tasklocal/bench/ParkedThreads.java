// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.TaskLocalThread;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** How much of the heap a parked virtual thread with a value takes, and what remains of it. */
final class ParkedThreads {

  private static volatile boolean ended;

  private ParkedThreads() {}

  /** What is not loaded in a JVM without the library. */
  private static final class Ours {
    static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

    static void set() {
      INT.set(7);
    }
  }

  static List<Row> rows(boolean quick) throws IOException {
    String threads = quick ? "200000" : "1000000";
    double[] without = child("without", threads);
    double[] with = child("with", threads);
    double[] named = child("named", threads);
    double[] made = child("made", threads);
    String parked = "%,d threads are parked.".formatted(Integer.parseInt(threads));
    return List.of(
        row("memory for a thread with 1 value", with[0] - without[0], 128, parked),
        row("the same, virtualFactory", made[0] - named[0], 128, null),
        row(
            "kept of it after its end",
            Math.max(0, with[1] - without[1]),
            1,
            "Less than 1 is what the JVM itself needs meanwhile."));
  }

  private static double[] child(String kind, String threads) throws IOException {
    String line =
        Jvm.lines(
                List.of(Following.EXPORT, "-XX:+UseSerialGC", "-Xmx4g"),
                ParkedThreads.class,
                kind,
                threads)
            .get(0);
    return Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
  }

  private static Row row(String name, double bytes, double goal, @Nullable String note) {
    return new Row("virtual", name, "B", new Measure(bytes, bytes, bytes), null, null, goal, note);
  }

  /**
   * Measures, and prints the bytes for each thread: while all are parked, and after their ends.
   *
   * @param args the kind of thread, and their number
   */
  public static void main(String[] args) throws InterruptedException {
    int threads = Integer.parseInt(args[1]);
    ThreadFactory named = Thread.ofVirtual().name("bench-", 0).factory();
    switch (args[0]) {
      case "without" -> run(Thread.ofVirtual().factory(), ParkedThreads::park, threads);
      case "named" -> run(named, ParkedThreads::park, threads);
      case "with" -> ours(Thread.ofVirtual().factory(), threads);
      default -> ours(TaskLocalThread.virtualFactory("bench-"), threads);
    }
  }

  @SuppressWarnings("try") // the map only has to be open
  private static void ours(ThreadFactory factory, int threads) throws InterruptedException {
    try (BpfObject object = Bundled.load("bench_maps");
        TaskLocalMap ignored = TaskLocalMap.of(object.map("task_local_data_map").fd())) {
      run(factory, ParkedThreads::setAndPark, threads);
      Following.check();
    }
  }

  private static void run(ThreadFactory factory, Runnable task, int count)
      throws InterruptedException {
    long ignored = parked(factory, task, count); // the scheduler's queue grows to its size
    long before = used();
    double parked = parked(factory, task, count) - before;
    double after = used() - before;
    System.out.println(parked / count + " " + after / count);
  }

  /** {@return what is used while threads are parked, all of which have ended then} */
  private static long parked(ThreadFactory factory, Runnable task, int count)
      throws InterruptedException {
    Thread[] threads = new Thread[count];
    ended = false;
    for (int i = 0; i < count; i++) {
      threads[i] = factory.newThread(task);
      threads[i].start();
    }
    for (Thread each : threads) {
      while (each.getState() != Thread.State.WAITING) {
        Thread.sleep(1);
      }
    }
    long used = used();
    ended = true;
    for (Thread each : threads) {
      LockSupport.unpark(each);
      each.join();
    }
    return used;
  }

  private static void setAndPark() {
    Ours.set();
    park();
  }

  private static void park() {
    while (!ended) {
      LockSupport.park();
    }
  }

  private static long used() {
    for (int i = 0; i < 3; i++) {
      System.gc();
    }
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }
}
