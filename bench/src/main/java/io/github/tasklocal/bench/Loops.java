// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import java.util.function.DoubleSupplier;

/**
 * Short loops of accesses in one thread, where JMH cannot be used. The fastest counts, since other
 * work on the machine only adds to it.
 */
final class Loops {

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

  private static final int LOOP = 20_000;

  private Loops() {}

  /** {@return the least of so many measurements} */
  static double fastest(int times, DoubleSupplier loop) {
    double fastest = Double.MAX_VALUE;
    for (int i = 0; i < times; i++) {
      fastest = Math.min(fastest, loop.getAsDouble());
    }
    return fastest;
  }

  /** {@return the nanoseconds of a set in one loop} */
  static double sets() {
    long start = System.nanoTime();
    for (int i = 0; i < LOOP; i++) {
      INT.set(i);
    }
    return (double) (System.nanoTime() - start) / LOOP;
  }

  /** {@return the nanoseconds of a get in one loop} */
  static double gets() {
    long start = System.nanoTime();
    int sum = 0;
    for (int i = 0; i < LOOP; i++) {
      sum += INT.get();
    }
    double nanos = (double) (System.nanoTime() - start) / LOOP;
    return sum == 1 ? 0 : nanos; // so that the loop is not empty
  }
}
