// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A process of its own, whose threads use a processor for known times with known values. */
final class TopChild {

  private static final TaskLocal.OfInt KEY = TaskLocal.of("child.int", ValueLayout.JAVA_INT);

  private TopChild() {}

  /**
   * Is the process: {@code spin} has the value 1 for half a second of a processor's time. {@code
   * mixed} has a thread with the value 1 that always wants a processor, and one with the value 2
   * that wants it for 1 ms of 10, and prints how many nanoseconds the second had of the first's.
   *
   * @param args the pin, and one of these
   */
  public static void main(String[] args) throws InterruptedException {
    try (TaskLocalMap map = TaskLocalMap.open(Path.of(args[0]))) {
      if (args[1].equals("spin")) {
        KEY.set(1);
        Busy.work(500_000_000);
        KEY.set(map.threads());
      } else {
        mixed();
      }
    }
  }

  private static void mixed() throws InterruptedException {
    long[] nanos = new long[2];
    Thread always =
        new Thread(
            () -> {
              KEY.set(1);
              spin(3_000_000_000L);
              nanos[0] = Busy.cpuTime();
            });
    Thread bursts =
        new Thread(
            () -> {
              KEY.set(2);
              while (always.isAlive()) {
                spin(1_000_000);
                Busy.sleep(9);
              }
              nanos[1] = Busy.cpuTime();
            });
    always.start();
    bursts.start();
    bursts.join();
    System.out.println((double) nanos[1] / nanos[0]);
  }

  /** Without a call to the kernel, which would bring its books up to date. */
  private static void spin(long nanos) {
    long end = System.nanoTime() + nanos;
    while (System.nanoTime() < end) {
      Thread.onSpinWait();
    }
  }

  /** Runs the process to its end, on one processor, and {@return what it printed} */
  static String run(Path pin, String what) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("taskset", "-c", "0"));
    command.addAll(TopProcess.java(TopChild.class, pin, what));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new AssertionError("exit status " + process.exitValue());
    }
    return out;
  }
}
