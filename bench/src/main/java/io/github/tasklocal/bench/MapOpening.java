// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A map is opened while a thousand threads wait that have used a key. The baseline registers as
 * many threads with the same map by hand, each with a page of its own. All pages have been touched.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@State(Scope.Thread)
@Warmup(iterations = 10, time = 300, timeUnit = TimeUnit.MILLISECONDS)
public class MapOpening {

  private static final int THREADS = 1000;

  private static final TaskLocal.OfInt INT = TaskLocal.of("bench.int", JAVA_INT);

  private final int[] tids = new int[THREADS];
  private final CountDownLatch end = new CountDownLatch(1);

  private BpfObject object;
  private int fd;
  private Arena arena;
  private MemorySegment pages;
  private ByHand.Entry entry;

  private @Nullable TaskLocalMap map;
  private boolean registered;

  /** Starts the threads. */
  @SuppressWarnings("MustBeClosedChecker") // closed by the teardown
  @Setup
  public void start() throws InterruptedException {
    CountDownLatch ready = new CountDownLatch(THREADS);
    for (int i = 0; i < THREADS; i++) {
      int each = i;
      Thread thread =
          new Thread(
              () -> {
                INT.set(each);
                tids[each] = ByHand.gettid();
                ready.countDown();
                try {
                  end.await();
                } catch (InterruptedException e) {
                  // Nobody interrupts it.
                }
              });
      thread.setDaemon(true);
      thread.start();
    }
    ready.await();

    object = Bundled.load("bench_maps");
    fd = object.map("task_local_data_map").fd();
    arena = Arena.ofConfined();
    pages = arena.allocate(THREADS * ByHand.PAGE, ByHand.PAGE);
    for (int i = 0; i < THREADS; i++) {
      pages.set(JAVA_LONG, i * ByHand.PAGE, 8);
    }
    entry = new ByHand.Entry(arena, arena.allocate(ByHand.PAGE, ByHand.PAGE).address());
  }

  /** Deletes all entries again, which is not measured. */
  @TearDown(Level.Invocation)
  public void remove() {
    if (map != null) {
      map.close();
      map = null;
    }
    if (registered) {
      for (int tid : tids) {
        entry.remove(fd, tid);
      }
      registered = false;
    }
  }

  /** Ends the threads. The arena is left to the JVM's end, for the kernel may still have pages. */
  @TearDown
  public void end() {
    end.countDown();
    object.close();
  }

  @Benchmark
  @Compared(
      work = "open a map, 1,000 threads waiting",
      to = "openByHand",
      named = "registered by hand",
      goal = 1.2)
  public void open() {
    map = TaskLocalMap.of(fd);
  }

  /** Baseline. */
  @Benchmark
  public void openByHand() {
    for (int i = 0; i < THREADS; i++) {
      entry.register(fd, tids[i], pages.address() + i * ByHand.PAGE);
    }
    registered = true;
  }
}
