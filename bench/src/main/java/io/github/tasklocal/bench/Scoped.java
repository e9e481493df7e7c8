// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalScope;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * A value for the length of a call, as a pool sets one for each task. The baseline is what one
 * would write without {@code with}: a get, a set, the call, and a set in {@code finally}.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class Scoped {

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);
  private static final TaskLocalScope SEVEN = INT.with(7);

  private int intValue = 7;
  private int count;

  /** What is called: next to nothing, so that the scope's cost shows. */
  @SuppressWarnings("UnnecessaryLambda") // as callers keep one
  private final Runnable task = () -> count++;

  @Benchmark
  @Compared(
      work = "with(value).run, any thread",
      to = "byHand",
      named = "get, set, try, finally",
      goal = 1.05)
  public void with() {
    INT.with(intValue).run(task);
  }

  @Benchmark
  @Compared(
      work = "run of a constant scope",
      to = "byHand",
      named = "get, set, try, finally",
      goal = 1.05)
  public void constant() {
    SEVEN.run(task);
  }

  @Benchmark
  @Compared(
      work = "enter(value), try, close",
      to = "byHand",
      named = "get, set, try, finally",
      goal = 1.05)
  public void enter() {
    try (var _ = INT.enter(intValue)) {
      task.run();
    }
  }

  /** Baseline. */
  @Benchmark
  public void byHand() {
    int before = INT.get();
    INT.set(intValue);
    try {
      task.run();
    } finally {
      INT.set(before);
    }
  }
}
