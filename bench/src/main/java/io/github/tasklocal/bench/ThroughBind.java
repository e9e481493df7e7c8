// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.Arena;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * A value that its thread holds by {@code bind()}: before a loop, in a field as a worker would, and
 * in a constant. The baseline is a store to an address that the compiler knows as a constant, in
 * the same memory order.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class ThroughBind {

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);
  private static final TaskLocal.OfLong LONG = TaskLocal.of("bench.long", JAVA_LONG);

  private static final VarHandle INT_AT = JAVA_INT.varHandle();
  private static final VarHandle LONG_AT = JAVA_LONG.varHandle();
  private static final long ADDRESS = Arena.global().allocate(ByHand.PAGE, ByHand.PAGE).address();

  private static final TaskLocal.OfInt.Bound CONSTANT = INT.bind();

  private static final int LOOP = 100;

  private TaskLocal.OfInt.Bound boundInt;
  private TaskLocal.OfLong.Bound boundLong;
  private int intValue = 7;
  private long longValue = 7;

  /** Binds, in the thread that measures. */
  @Setup
  public void bind() {
    boundInt = INT.bind();
    boundLong = LONG.bind();
  }

  @Benchmark
  @Compared(
      work = "set an int, bound in a field",
      to = "setIntConstant",
      named = "a constant address",
      goal = 1.05)
  public void setInt() {
    boundInt.set(intValue);
  }

  /** Baseline. */
  @Benchmark
  public void setIntConstant() {
    INT_AT.setOpaque(ByHand.ALL, ADDRESS, intValue);
  }

  @Benchmark
  @Compared(
      work = "set a long, bound in a field",
      to = "setLongConstant",
      named = "a constant address",
      goal = 1.05)
  public void setLong() {
    boundLong.set(longValue);
  }

  /** Baseline. */
  @Benchmark
  public void setLongConstant() {
    LONG_AT.setOpaque(ByHand.ALL, ADDRESS, longValue);
  }

  @Benchmark
  @Compared(
      work = "set an int, bound in a constant",
      to = "setIntConstant",
      named = "a constant address",
      goal = 1.05)
  public void setIntOfConstant() {
    CONSTANT.set(intValue);
  }

  @Benchmark
  @OperationsPerInvocation(LOOP)
  @Compared(
      work = "set an int, bound in a loop",
      to = "setIntsConstant",
      named = "a constant address",
      goal = 1.05)
  public void setInts() {
    TaskLocal.OfInt.Bound bound = boundInt;
    for (int i = 0; i < LOOP; i++) {
      bound.set(i);
    }
  }

  @Benchmark
  @OperationsPerInvocation(LOOP)
  @Compared(
      work = "set ints in a loop after bind()",
      to = "setIntsConstant",
      named = "a constant address",
      goal = 1.05)
  public void bindAndSetInts() {
    TaskLocal.OfInt.Bound bound = INT.bind();
    for (int i = 0; i < LOOP; i++) {
      bound.set(i);
    }
  }

  /** Baseline. */
  @Benchmark
  @OperationsPerInvocation(LOOP)
  public void setIntsConstant() {
    for (int i = 0; i < LOOP; i++) {
      INT_AT.setOpaque(ByHand.ALL, ADDRESS, i);
    }
  }
}
