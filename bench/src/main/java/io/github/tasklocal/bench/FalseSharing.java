// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.MemoryLayout;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
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
import org.openjdk.jmh.annotations.Threads;

/**
 * Two threads that set their own value at the same time, in slots of one page. The baseline is the
 * same with a page for each thread.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
@Threads(2)
public class FalseSharing {

  private static final boolean PACKED = System.getProperty("tasklocal.slotBytes") != null;

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);
  private static final TaskLocal.OfSegment SEGMENT =
      TaskLocal.of("bench.segment", MemoryLayout.structLayout(JAVA_INT));

  private static final Set<Long> PAGES = ConcurrentHashMap.newKeySet();

  private int intValue = 7;

  /** Takes a slot, and notes its page. */
  @Setup
  public void take() {
    PAGES.add(SEGMENT.segment().address() / ByHand.PAGE);
  }

  /** Makes sure that the benchmark measures what its name says. */
  @TearDown
  public void check() {
    if (PAGES.size() != (PACKED ? 1 : 2)) {
      throw new IllegalStateException(
          "the two threads use " + PAGES.size() + " pages, not " + (PACKED ? 1 : 2));
    }
  }

  @Benchmark
  @Fork(jvmArgsAppend = "-Dtasklocal.slotBytes=128")
  @Compared(
      work = "packed: two threads set an int",
      to = "setOnOwnPage",
      named = "a page for each thread",
      goal = 1.1)
  public void set() {
    INT.set(intValue);
  }

  /** Baseline. */
  @Benchmark
  public void setOnOwnPage() {
    INT.set(intValue);
  }
}
