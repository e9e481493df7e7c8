// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Jvm;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A process of its own, whose threads use a processor for known times with known values. */
final class TopChild {

  private static final TaskLocal.OfInt KEY = TaskLocal.of("child.int", ValueLayout.JAVA_INT);

  private static final long MILLI = 1_000_000;

  /** A longer step between two readings of CLOCK_MONOTONIC is another thread's time. */
  private static final long OWN = 50_000;

  /** How many milliseconds of a processor the thread that always wants one has had. */
  private static volatile int always;

  private TopChild() {}

  /**
   * Runs the process: {@code spin} has the value 1 for half a second of a processor's time, and
   * prints how many nanoseconds that was. {@code mixed} has a thread with the value 1 that always
   * wants a processor, and one with the value 2 that wants it for 1 ms of 10, and prints how many
   * nanoseconds the second had of the first's.
   *
   * @param args the pin, and one of these
   */
  public static void main(String[] args) throws InterruptedException {
    try (TaskLocalMap map = TaskLocalMap.open(Path.of(args[0]))) {
      if (args[1].equals("spin")) {
        Busy.work(0); // the first takes longer
        KEY.set(1);
        long used = Busy.work(500 * MILLI);
        KEY.set(map.threads() + 1);
        System.out.println(used);
      } else {
        mixed();
      }
    }
  }

  private static void mixed() throws InterruptedException {
    long[] nanos = new long[2];
    Thread bursts =
        new Thread(
            () -> {
              KEY.set(2);
              for (int i = 0; i < 300; i++) {
                // However busy the machine is, the other has had more meanwhile.
                int before = always;
                do {
                  Busy.rest(9);
                } while (always < before + 6);
                spin(MILLI);
              }
              nanos[1] = Busy.cpuTime();
            });
    Thread spinning =
        new Thread(
            () -> {
              KEY.set(1);
              for (int i = 1; bursts.isAlive(); i++) {
                spin(MILLI);
                always = i;
              }
              nanos[0] = Busy.cpuTime();
            });
    bursts.start();
    spinning.start();
    spinning.join();
    System.out.println((double) nanos[1] / nanos[0]);
  }

  /**
   * Uses a processor for so long, without system calls, which would bring the kernel's books up to
   * date.
   */
  private static void spin(long nanos) {
    long used = 0;
    long last = System.nanoTime();
    while (used < nanos) {
      long now = System.nanoTime();
      used += now - last < OWN ? now - last : 0;
      last = now;
    }
  }

  /** Runs the process to its end, on one processor, and {@return the number it printed} */
  static double run(Path pin, String what) {
    List<String> command = new ArrayList<>(List.of("taskset", "-c", "0"));
    command.addAll(
        Jvm.command(
            Jvm.shortLived(), Jvm.join(Jvm.classPath()), TopChild.class, pin.toString(), what));
    Jvm.Result result = Jvm.run(command);
    if (result.exit() != 0) {
      throw new AssertionError(result);
    }
    return Double.parseDouble(result.output());
  }
}
