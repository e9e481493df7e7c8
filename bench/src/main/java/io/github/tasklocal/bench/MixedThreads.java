// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalThread;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * As {@link AnyThread} and {@link OwnThread}, but threads of both kinds have used keys. In those
 * two the compiler has seen one kind only, and leaves out the code for the other.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class MixedThreads {

  private static final int ENOUGH_TO_COMPILE = 200_000;

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

  private static final ThreadLocal<int[]> INTS = ThreadLocal.withInitial(() -> new int[1]);
  private static final VarHandle INT_ELEMENT = MethodHandles.arrayElementVarHandle(int[].class);

  private int intValue = 7;
  private int sum;

  /** Uses the key and the {@code ThreadLocal} on both kinds of threads, in turn. */
  @Setup
  public void mix() throws InterruptedException {
    for (int i = 0; i < 2; i++) {
      for (Thread thread : List.of(new Thread(this::use), new TaskLocalThread(this::use))) {
        thread.start();
        thread.join();
      }
    }
  }

  private void use() {
    for (int i = 0; i < ENOUGH_TO_COMPILE; i++) {
      setAnyThread();
      setThreadLocal();
      sum += getAnyThread() + getThreadLocal();
    }
  }

  @Benchmark
  @Compared(
      work = "mixed: set an int, any thread",
      to = "setThreadLocal",
      named = "ThreadLocal<int[]>",
      goal = 1.0)
  public void setAnyThread() {
    INT.set(intValue);
  }

  /** Baseline. */
  @Benchmark
  public void setThreadLocal() {
    INT_ELEMENT.setOpaque(INTS.get(), 0, intValue);
  }

  @Benchmark
  @Compared(
      work = "mixed: get an int, any thread",
      to = "getThreadLocal",
      named = "ThreadLocal<int[]>",
      goal = 1.0)
  public int getAnyThread() {
    return INT.get();
  }

  /** Baseline. */
  @Benchmark
  public int getThreadLocal() {
    return (int) INT_ELEMENT.getOpaque(INTS.get(), 0);
  }

  @Benchmark
  @Fork(
      jvmArgsAppend = {
        "-Djmh.executor=CUSTOM",
        "-Djmh.executor.class=io.github.tasklocal.bench.OwnThread$Threads"
      })
  @Compared(
      work = "mixed: set an int, TaskLocalThread",
      to = "setField",
      named = "field of the Thread")
  public void setOwnThread() {
    INT.set(intValue);
  }

  /** Baseline. */
  @Benchmark
  @Fork(
      jvmArgsAppend = {
        "-Djmh.executor=CUSTOM",
        "-Djmh.executor.class=io.github.tasklocal.bench.OwnThread$Threads"
      })
  public void setField() {
    OwnThread.INT_FIELD.setOpaque((OwnThread.ThreadWithFields) Thread.currentThread(), intValue);
  }
}
