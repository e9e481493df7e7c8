// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * A thread tells BPF something about itself. The baseline is an update of a task storage map that
 * holds an int, by a pidfd that stays open, with nothing left to prepare.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class Hint {

  private static final TaskLocal.OfInt HINT = TaskLocal.of("bench.hint", JAVA_INT);

  private BpfObject object;
  private TaskLocalMap map;
  private Arena arena;
  private MemorySegment key;
  private MemorySegment value;
  private int hints;
  private int pidfd;
  private int hint = 7;

  /** Opens the map and makes the thread's entry in both maps, in the thread that measures. */
  @SuppressWarnings("MustBeClosedChecker") // closed by the teardown
  @Setup
  public void open() {
    object = Bundled.load("bench_maps");
    map = TaskLocalMap.of(object.map("task_local_data_map").fd());
    HINT.set(hint);

    arena = Arena.ofConfined();
    hints = object.map("hints").fd();
    pidfd = ByHand.pidfdOpen(ByHand.gettid());
    key = arena.allocateFrom(JAVA_INT, pidfd);
    value = arena.allocate(JAVA_INT);
    update();
  }

  /** Releases all of it. */
  @TearDown
  public void close() {
    map.close();
    ByHand.close(pidfd);
    object.close();
    arena.close();
  }

  @Benchmark
  @Compared(
      work = "hint to BPF, an int",
      to = "update",
      named = "bpf_map_update_elem",
      goal = 0.001)
  public void set() {
    HINT.set(hint);
  }

  /** Baseline. */
  @Benchmark
  public void update() {
    value.set(JAVA_INT, 0, hint);
    ByHand.update(hints, key, value, ByHand.BPF_ANY);
  }
}
