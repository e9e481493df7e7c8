// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemoryLayout;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;

/**
 * How much memory the kernel holds for each thread that shares a small value. It counts the frames
 * behind the threads' values in {@code /proc/self/pagemap}; the map's state tells whether all
 * threads are registered, and thus their pages pinned.
 */
final class PinnedPages {

  private static final int THREADS = 2000;

  /** Masks of a pagemap entry: whether the page has a frame, and the frame's number. */
  private static final long PRESENT = 1L << 63;

  private static final long FRAME = (1L << 55) - 1;

  private static final TaskLocal.OfSegment INT =
      TaskLocal.of("bench.segment", MemoryLayout.structLayout(JAVA_INT));

  private PinnedPages() {}

  static List<Row> rows(boolean quick) throws IOException, InterruptedException {
    return List.of(
        row("pinned per thread", List.of(), 4096),
        row("pinned, slotBytes=128", List.of("-Dtasklocal.slotBytes=128"), 256));
  }

  private static Row row(String name, List<String> options, double goal)
      throws IOException, InterruptedException {
    String line = Jvm.lines(options, PinnedPages.class).get(0);
    double bytes = Long.parseLong(line) * (double) ByHand.PAGE / THREADS;
    return new Row(
        "memory",
        name,
        "B",
        new Measure(bytes, bytes, bytes),
        null,
        null,
        goal,
        "%,d threads measured; 100,000 would have %.1f MB."
            .formatted(THREADS, bytes * 100_000 / 1e6));
  }

  /**
   * Measures, and prints the number of frames.
   *
   * @param args none
   */
  public static void main(String[] args) throws IOException, InterruptedException {
    long[] pages = new long[THREADS];
    CountDownLatch ready = new CountDownLatch(THREADS);
    CountDownLatch end = new CountDownLatch(1);
    try (BpfObject object = Bundled.load("bench_maps");
        TaskLocalMap map = TaskLocalMap.of(object.map("task_local_data_map").fd())) {
      for (int i = 0; i < THREADS; i++) {
        int each = i;
        Thread thread =
            new Thread(
                () -> {
                  INT.segment().set(JAVA_INT, 0, each);
                  pages[each] = INT.segment().address() / ByHand.PAGE;
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
      if (!(map.state() instanceof TaskLocalMap.Attached state)
          || state.threads() < THREADS
          || state.unregistered() > 0) {
        throw new IllegalStateException("not all threads are registered: " + map.state());
      }
      System.out.println(frames(pages));
      end.countDown();
    }
  }

  private static int frames(long[] pages) throws IOException {
    Set<Long> frames = new HashSet<>();
    try (RandomAccessFile pagemap = new RandomAccessFile("/proc/self/pagemap", "r")) {
      for (long page : Arrays.stream(pages).distinct().toArray()) {
        pagemap.seek(page * Long.BYTES);
        long entry = Long.reverseBytes(pagemap.readLong());
        if ((entry & PRESENT) == 0 || (entry & FRAME) == 0) {
          throw new IllegalStateException("a thread's page has no frame, or root may not see it");
        }
        frames.add(entry & FRAME);
      }
    }
    return frames.size();
  }
}
