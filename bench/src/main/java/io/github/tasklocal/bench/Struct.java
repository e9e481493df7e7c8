// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandles;
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
 * A struct of two longs, both set. Where it is held, the baseline is two stores to an address that
 * the compiler knows as a constant; where it is looked up in each call, two stores to an array
 * behind a {@link ThreadLocal}.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class Struct {

  private static final StructLayout LAYOUT =
      MemoryLayout.structLayout(JAVA_LONG.withName("high"), JAVA_LONG.withName("low"));
  private static final VarHandle HIGH = LAYOUT.varHandle(groupElement("high"));
  private static final VarHandle LOW = LAYOUT.varHandle(groupElement("low"));
  private static final TaskLocal.OfSegment SPAN = TaskLocal.of("bench.span", LAYOUT);

  private static final VarHandle BOUND_HIGH = SPAN.boundVarHandle(groupElement("high"));
  private static final VarHandle BOUND_LOW = SPAN.boundVarHandle(groupElement("low"));
  private static final VarHandle CURRENT_HIGH = SPAN.varHandle(groupElement("high"));
  private static final VarHandle CURRENT_LOW = SPAN.varHandle(groupElement("low"));

  private static final ThreadLocal<long[]> LONGS = ThreadLocal.withInitial(() -> new long[2]);
  private static final VarHandle ELEMENT = MethodHandles.arrayElementVarHandle(long[].class);

  private static final VarHandle LONG_AT = JAVA_LONG.varHandle();
  private static final long ADDRESS = Arena.global().allocate(ByHand.PAGE, ByHand.PAGE).address();

  private static final int LOOP = 100;

  private TaskLocal.OfSegment.Bound bound;
  private MemorySegment span;
  private long high = 7;
  private long low = 8;

  /** Holds the thread's bytes, in the thread that measures. */
  @Setup
  public void bind() {
    bound = SPAN.bind();
    span = bound.segment();
  }

  @Benchmark
  @Compared(
      work = "two longs, held segment",
      to = "heldConstant",
      named = "a constant address",
      goal = 1.1)
  public void held() {
    HIGH.setOpaque(span, 0L, high);
    LOW.setOpaque(span, 0L, low);
  }

  /** Baseline. */
  @Benchmark
  public void heldConstant() {
    LONG_AT.setOpaque(ByHand.ALL, ADDRESS, high);
    LONG_AT.setOpaque(ByHand.ALL, ADDRESS + Long.BYTES, low);
  }

  @Benchmark
  @Compared(
      work = "two longs, boundVarHandle",
      to = "heldConstant",
      named = "a constant address",
      goal = 1.1)
  public void bound() {
    BOUND_HIGH.setOpaque(bound, high);
    BOUND_LOW.setOpaque(bound, low);
  }

  @Benchmark
  @OperationsPerInvocation(LOOP)
  @Compared(
      work = "two longs in a loop after bind()",
      to = "setsConstant",
      named = "a constant address",
      goal = 1.1)
  public void bindAndSet() {
    TaskLocal.OfSegment.Bound held = SPAN.bind();
    for (long i = 0; i < LOOP; i++) {
      BOUND_HIGH.setOpaque(held, i);
      BOUND_LOW.setOpaque(held, i);
    }
  }

  /** Baseline. */
  @Benchmark
  @OperationsPerInvocation(LOOP)
  public void setsConstant() {
    for (long i = 0; i < LOOP; i++) {
      LONG_AT.setOpaque(ByHand.ALL, ADDRESS, i);
      LONG_AT.setOpaque(ByHand.ALL, ADDRESS + Long.BYTES, i);
    }
  }

  @Benchmark
  @Compared(
      work = "two longs, varHandle",
      to = "lookedUpThreadLocal",
      named = "ThreadLocal<long[]>")
  public void current() {
    CURRENT_HIGH.setOpaque(high);
    CURRENT_LOW.setOpaque(low);
  }

  @Benchmark
  @Compared(
      work = "two longs, segment() in each call",
      to = "lookedUpThreadLocal",
      named = "ThreadLocal<long[]>")
  public void lookedUp() {
    MemorySegment bytes = SPAN.segment();
    HIGH.setOpaque(bytes, 0L, high);
    LOW.setOpaque(bytes, 0L, low);
  }

  /** Baseline. */
  @Benchmark
  public void lookedUpThreadLocal() {
    long[] longs = LONGS.get();
    ELEMENT.setOpaque(longs, 0, high);
    ELEMENT.setOpaque(longs, 1, low);
  }
}
