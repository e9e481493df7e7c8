// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * A value of a platform thread as the thread pools of the JDK make them. The baseline is the
 * cheapest variable that such a thread can have for itself, an array's element behind a {@link
 * ThreadLocal}, in the same memory order.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class AnyThread {

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);
  private static final TaskLocal.OfLong LONG = TaskLocal.of("bench.long", JAVA_LONG);

  private static final ThreadLocal<int[]> INTS = ThreadLocal.withInitial(() -> new int[1]);
  private static final ThreadLocal<long[]> LONGS = ThreadLocal.withInitial(() -> new long[1]);
  private static final VarHandle INT_ELEMENT = MethodHandles.arrayElementVarHandle(int[].class);
  private static final VarHandle LONG_ELEMENT = MethodHandles.arrayElementVarHandle(long[].class);

  /** The value that is set, in a field so that it is no constant. */
  private int intValue = 7;

  private long longValue = 7;

  @Benchmark
  @Compared(
      work = "set an int, any thread",
      to = "setIntThreadLocal",
      named = "ThreadLocal<int[]>",
      goal = 1.0)
  public void setInt() {
    INT.set(intValue);
  }

  /** Baseline. */
  @Benchmark
  public void setIntThreadLocal() {
    INT_ELEMENT.setOpaque(INTS.get(), 0, intValue);
  }

  @Benchmark
  @Compared(
      work = "get an int, any thread",
      to = "getIntThreadLocal",
      named = "ThreadLocal<int[]>",
      goal = 1.0)
  public int getInt() {
    return INT.get();
  }

  /** Baseline. */
  @Benchmark
  public int getIntThreadLocal() {
    return (int) INT_ELEMENT.getOpaque(INTS.get(), 0);
  }

  @Benchmark
  @Compared(
      work = "set a long, any thread",
      to = "setLongThreadLocal",
      named = "ThreadLocal<long[]>",
      goal = 1.0)
  public void setLong() {
    LONG.set(longValue);
  }

  /** Baseline. */
  @Benchmark
  public void setLongThreadLocal() {
    LONG_ELEMENT.setOpaque(LONGS.get(), 0, longValue);
  }

  @Benchmark
  @Compared(
      work = "get a long, any thread",
      to = "getLongThreadLocal",
      named = "ThreadLocal<long[]>",
      goal = 1.0)
  public long getLong() {
    return LONG.get();
  }

  /** Baseline. */
  @Benchmark
  public long getLongThreadLocal() {
    return (long) LONG_ELEMENT.getOpaque(LONGS.get(), 0);
  }
}
