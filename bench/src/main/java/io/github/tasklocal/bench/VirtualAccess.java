// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * A key on a virtual thread whose values follow it, beside a {@link ThreadLocal} there; and on a
 * platform thread, in a process where virtual threads use the key, too.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class VirtualAccess {

  private static final int ENOUGH_TO_COMPILE = 200_000;

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

  private static final ThreadLocal<int[]> INTS = ThreadLocal.withInitial(() -> new int[1]);
  private static final VarHandle INT_ELEMENT = MethodHandles.arrayElementVarHandle(int[].class);

  private int intValue = 7;

  /** A virtual thread, and an open map. */
  @State(Scope.Thread)
  public static class Virtual {
    private BpfObject object;
    private TaskLocalMap map;

    /** Runs on the thread that is measured. */
    @Setup
    public void open() {
      if (!Thread.currentThread().isVirtual()) {
        throw new IllegalStateException("JMH does not measure on a virtual thread");
      }
      object = Bundled.load("bench_maps");
      map = TaskLocalMap.of(object.map("task_local_data_map").fd());
    }

    /** Closes the map, after a look at its state. */
    @TearDown
    public void close() {
      Following.check();
      map.close();
      object.close();
    }
  }

  /** A platform thread, in a process where virtual ones have used the key. */
  @State(Scope.Thread)
  public static class Mixed {
    private int sum;

    /** Uses the key on virtual threads and platform threads, in turn. */
    @Setup
    public void mix() throws InterruptedException {
      for (int i = 0; i < 2; i++) {
        for (Thread.Builder kind : new Thread.Builder[] {Thread.ofVirtual(), Thread.ofPlatform()}) {
          kind.start(this::use).join();
        }
      }
      Following.check();
    }

    private void use() {
      for (int i = 0; i < ENOUGH_TO_COMPILE; i++) {
        INT.set(i);
        sum += INT.get();
      }
    }
  }

  @Benchmark
  @Fork(jvmArgsAppend = {"-Djmh.executor=VIRTUAL", Following.EXPORT})
  @Compared(
      work = "set an int, virtual thread",
      to = "setThreadLocal",
      named = "ThreadLocal<int[]>",
      goal = 0.6)
  public void setInt(Virtual ignored) {
    INT.set(intValue);
  }

  /** Baseline. */
  @Benchmark
  @Fork(jvmArgsAppend = {"-Djmh.executor=VIRTUAL", Following.EXPORT})
  public void setThreadLocal() {
    INT_ELEMENT.setOpaque(INTS.get(), 0, intValue);
  }

  @Benchmark
  @Fork(jvmArgsAppend = {"-Djmh.executor=VIRTUAL", Following.EXPORT})
  @Compared(
      work = "get an int, virtual thread",
      to = "getThreadLocal",
      named = "ThreadLocal<int[]>",
      goal = 0.6)
  public int getInt(Virtual ignored) {
    return INT.get();
  }

  /** Baseline. */
  @Benchmark
  @Fork(jvmArgsAppend = {"-Djmh.executor=VIRTUAL", Following.EXPORT})
  public int getThreadLocal() {
    return (int) INT_ELEMENT.getOpaque(INTS.get(), 0);
  }

  @Benchmark
  @Fork(jvmArgsAppend = Following.EXPORT)
  @Compared(
      work = "set, platform thread, virtual too",
      to = "setPlatform",
      named = "platform threads only",
      goal = 1.0)
  public void setPlatformMixed(Mixed ignored) {
    INT.set(intValue);
  }

  /** Baseline. */
  @Benchmark
  @Fork(jvmArgsAppend = Following.EXPORT)
  public void setPlatform() {
    INT.set(intValue);
  }

  @Benchmark
  @Fork(jvmArgsAppend = Following.EXPORT)
  @Compared(
      work = "get, platform thread, virtual too",
      to = "getPlatform",
      named = "platform threads only",
      goal = 1.0)
  public int getPlatformMixed(Mixed ignored) {
    return INT.get();
  }

  /** Baseline. */
  @Benchmark
  @Fork(jvmArgsAppend = Following.EXPORT)
  public int getPlatform() {
    return INT.get();
  }
}
