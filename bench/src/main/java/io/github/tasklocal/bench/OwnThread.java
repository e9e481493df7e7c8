// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalThread;
import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * A value of a {@link TaskLocalThread}. The baseline is a field of a final class of threads, which
 * the current thread is cast to, in the same memory order. Both run on the same thread.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
@Fork(
    jvmArgsAppend = {
      "-Djmh.executor=CUSTOM",
      "-Djmh.executor.class=io.github.tasklocal.bench.OwnThread$Threads"
    })
public class OwnThread {

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);
  private static final TaskLocal.OfLong LONG = TaskLocal.of("bench.long", JAVA_LONG);

  private static final VarHandle INT_AT = JAVA_INT.varHandle();

  static final VarHandle INT_FIELD;
  private static final VarHandle LONG_FIELD;

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      INT_FIELD = lookup.findVarHandle(ThreadWithFields.class, "intField", int.class);
      LONG_FIELD = lookup.findVarHandle(ThreadWithFields.class, "longField", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  static final class ThreadWithFields extends TaskLocalThread {
    int intField;
    long longField;

    /**
     * The address of memory of its own: what a thread would keep to do the library's work by hand.
     */
    final long address = Arena.global().allocate(ByHand.PAGE, ByHand.PAGE).address() + Long.BYTES;

    ThreadWithFields(Runnable work) {
      super(work);
    }
  }

  /** Where JMH runs these benchmarks. */
  public static final class Threads extends ThreadPoolExecutor {

    /** With the parameters that JMH passes. */
    public Threads(int threads, String ignoredPrefix) {
      super(
          threads,
          threads,
          0,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          ThreadWithFields::new);
    }
  }

  private int intValue = 7;
  private long longValue = 7;

  @Benchmark
  @Compared(work = "set an int, TaskLocalThread", to = "setIntField", named = "field of the Thread")
  public void setInt() {
    INT.set(intValue);
  }

  /** Baseline. */
  @Benchmark
  public void setIntField() {
    INT_FIELD.setOpaque((ThreadWithFields) Thread.currentThread(), intValue);
  }

  @Benchmark
  @Compared(
      work = "set an int, its page",
      to = "setIntAtAddress",
      named = "an address in that field")
  public void setIntAgain() {
    INT.set(intValue);
  }

  /** Baseline. */
  @Benchmark
  public void setIntAtAddress() {
    long address = ((ThreadWithFields) Thread.currentThread()).address;
    INT_AT.setOpaque(ByHand.ALL, address, intValue);
  }

  @Benchmark
  @Compared(work = "get an int, TaskLocalThread", to = "getIntField", named = "field of the Thread")
  public int getInt() {
    return INT.get();
  }

  /** Baseline. */
  @Benchmark
  public int getIntField() {
    return (int) INT_FIELD.getOpaque((ThreadWithFields) Thread.currentThread());
  }

  @Benchmark
  @Compared(
      work = "set a long, TaskLocalThread",
      to = "setLongField",
      named = "field of the Thread")
  public void setLong() {
    LONG.set(longValue);
  }

  /** Baseline. */
  @Benchmark
  public void setLongField() {
    LONG_FIELD.setOpaque((ThreadWithFields) Thread.currentThread(), longValue);
  }

  @Benchmark
  @Compared(
      work = "get a long, TaskLocalThread",
      to = "getLongField",
      named = "field of the Thread")
  public long getLong() {
    return LONG.get();
  }

  /** Baseline. */
  @Benchmark
  public long getLongField() {
    return (long) LONG_FIELD.getOpaque((ThreadWithFields) Thread.currentThread());
  }
}
