// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalThread;
import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * A value that is set in a loop, beside a C program that does it through a thread-local pointer.
 * Each is the fastest of some long loops, and the two take turns.
 */
final class BesideC {

  private static final int ROUNDS = 7;
  private static final int SETS = 50_000_000;

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

  private BesideC() {}

  static List<Row> rows(boolean quick) throws IOException {
    List<Double> inC = new ArrayList<>();
    List<Double> own = new ArrayList<>();
    List<Double> any = new ArrayList<>();
    Path folder = Files.createTempDirectory("tasklocal-bench-");
    Path program = folder.resolve("set");
    Path source = folder.resolve("set.c");
    try {
      try (InputStream in = BesideC.class.getResourceAsStream("/c/set.c")) {
        Files.copy(Objects.requireNonNull(in), source, StandardCopyOption.REPLACE_EXISTING);
      }
      String ignored =
          Jvm.output(List.of("cc", "-O2", "-o", program.toString(), source.toString()));
      for (int round = 0; round < (quick ? 3 : 5); round++) {
        inC.add(Double.parseDouble(Jvm.output(List.of(program.toString())).strip()));
        own.add(child("own"));
        any.add(child("any"));
      }
    } finally {
      Files.deleteIfExists(program);
      Files.deleteIfExists(source);
      Files.delete(folder);
    }
    return List.of(
        row(
            "in a loop: set an int, TaskLocalThread",
            own,
            inC,
            "Both load an address and a key's offset in each turn, compare, and store."),
        row(
            "in a loop: set an int, any thread",
            any,
            inC,
            "It finds the thread's page first, by the thread's id."));
  }

  private static double child(String thread) throws IOException {
    return Double.parseDouble(Jvm.lines(List.of(), BesideC.class, thread).get(0));
  }

  private static Row row(String name, List<Double> ours, List<Double> inC, String note) {
    return new Row(
        "c",
        name,
        "ns",
        Measure.of(ours),
        "C, a thread-local pointer",
        Measure.of(inC),
        null,
        note);
  }

  /**
   * Measures, and prints the nanoseconds.
   *
   * @param args {@code own} for a {@link TaskLocalThread}, or {@code any}
   */
  public static void main(String[] args) throws InterruptedException {
    Runnable measured = () -> System.out.printf("%.4f%n", Loops.fastest(ROUNDS, BesideC::sets));
    Thread thread = args[0].equals("own") ? new TaskLocalThread(measured) : new Thread(measured);
    thread.start();
    thread.join();
  }

  private static double sets() {
    long start = System.nanoTime();
    for (int i = 0; i < SETS; i++) {
      INT.set(i);
    }
    return (double) (System.nanoTime() - start) / SETS;
  }
}
