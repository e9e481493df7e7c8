// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.selftest.Check;
import io.github.tasklocal.selftest.Fixture;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/** A map that is opened and closed while threads write. */
final class OpenClose {

  private static final int WRITERS = 16;

  private OpenClose() {}

  static SoakRow row() {
    return new SoakRow(
        "open-close",
        "Opens and closes of a map under %d writing threads".formatted(WRITERS),
        List.of("-Xmx256m"),
        OpenClose::measure);
  }

  private static void measure(SoakRun run) throws Exception {
    int times = run.times(1_000, 100);
    Fixture fixture = run.on(Wire.B);
    var object = fixture.load("soak_tasks");
    int fd = fixture.dataMap(object).fd();
    Tasks tasks = new Tasks(object);
    AtomicLong lost = new AtomicLong();
    try (Writers writers = Writers.counting(WRITERS, tasks, lost)) {
      Await.until("a first round of each writer", () -> writers.leastRounds() > 0);
      try (TaskLocalMap first = TaskLocalMap.of(fd)) {
        Check.equal(0, first.failures(), "failures of the first open map");
        Check.equal(WRITERS, tasks.values().size(), "entries in the first open map");
      }
      int descriptors = Descriptors.count();
      long before = writers.rounds();
      long values = 0;
      int missing = 0;
      int left = 0;
      int failures = 0;
      for (int i = 1; i <= times; i++) {
        try (TaskLocalMap map = TaskLocalMap.of(fd)) {
          Map<Integer, Long> seen = tasks.values();
          long read = Tasks.own(seen);
          values += read;
          missing += (int) (WRITERS - read);
          failures += map.failures();
        }
        left += tasks.values().size();
        run.progress(i, times, "times");
      }
      run.any("opens and closes", times);
      run.any("values written meanwhile", writers.rounds() - before);
      run.some("values seen while it is open", values);
      run.equal(0, "values missing or not their own", missing);
      run.equal(0, "entries left after a close", left);
      run.equal(0, "failed registrations", failures);
      run.equal(0, "descriptors leaked", Descriptors.count() - descriptors);
    }
    run.equal(0, "values lost in Java", lost.get());
  }
}
