// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.stress;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

/** Values of many threads, so that each state of a test has its own. */
final class Bounds {

  private static final int THREADS = 512;
  private static final int KEYS = 64;

  /** Enough for the states that jcstress has at a time, 10,240, and up to three for each. */
  private static final TaskLocal.OfLong.Bound[] ALL = new TaskLocal.OfLong.Bound[THREADS * KEYS];

  private static final AtomicInteger NEXT = new AtomicInteger();

  static {
    TaskLocal.OfLong[] keys =
        IntStream.range(0, KEYS)
            .mapToObj(i -> TaskLocal.of("value" + i, JAVA_LONG))
            .toArray(TaskLocal.OfLong[]::new);
    for (int i = 0; i < THREADS; i++) {
      Threads.run(new Binding(keys, ALL, i * KEYS));
    }
  }

  /** A class of its own, as other threads cannot run the code of one that is being initialized. */
  @SuppressWarnings("ArrayRecordComponent") // compared by nobody
  private record Binding(TaskLocal.OfLong[] keys, TaskLocal.OfLong.Bound[] bounds, int from)
      implements Runnable {
    @Override
    public void run() {
      for (int i = 0; i < keys.length; i++) {
        bounds[from + i] = keys[i].bind();
      }
    }
  }

  private Bounds() {}

  /** {@return a value, 0, that no other state has} */
  static TaskLocal.OfLong.Bound next() {
    TaskLocal.OfLong.Bound bound = ALL[Math.floorMod(NEXT.getAndIncrement(), ALL.length)];
    bound.set(0);
    return bound;
  }
}
