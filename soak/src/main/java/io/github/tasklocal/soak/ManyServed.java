// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kit.Await;
import java.util.List;

/** Many threads of one process, which are served: each one's own value is seen. */
final class ManyServed {

  private static final double ARRAY_MB = 64 * 4096 / 1e6;

  private ManyServed() {}

  static SoakRow row() {
    return new SoakRow(
        "many-served", "Threads alive at once, served", List.of("-Xmx256m"), ManyServed::measure);
  }

  private static void measure(SoakRun run) throws Exception {
    for (boolean slots : List.of(false, true)) {
      int threads = run.times(10_000, 200);
      Served served = new Served(run, slots);
      ServedProcess process = served.process(threads);
      long began = System.nanoTime();
      long wrong = process.still();
      double seconds = (System.nanoTime() - began) / 1e9;
      List<ServedProcess> all = List.of(process);
      long seen = Await.until("all threads", () -> served.seen(all), n -> n == threads);
      double seenAfter = (System.nanoTime() - began) / 1e9;
      run.equal(threads, served + ": entries seen by BPF", served.entries(all));
      run.equal(threads, served + ": with their own value", seen);
      run.equal(0, served + ": wrong in BPF or in Java", served.wrong() + wrong);
      run.any(served + ": time to all threads", seconds, "s");
      run.any(served + ": until all are seen", seenAfter, "s");
      run.any(served + ": memory of arrays", served.side().arrays() * ARRAY_MB, "MB");
      run.any(served + ": memory of the side", served.side().memory() / 1e6, "MB");
      run.any(served + ": its descriptors", served.side().descriptors());
      process.close();
      served.side().close();
    }
  }
}
