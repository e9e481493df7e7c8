// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** {@code top} on a processor that was taken offline and came back. */
@KernelTest
class HotplugKernelIT {

  /**
   * Of a thousand samples, six standard deviations. Where the timer does not run, the tick and
   * other timers step in: with half as many, or less.
   */
  private static final double LEAST = 0.8;

  private static final int TIMES = 40;

  private static final String OFF_AND_ON =
      """
      expedited=$(cat /sys/kernel/rcu_expedited)
      echo 1 > /sys/kernel/rcu_expedited # as some servers have it, which makes this fast
      echo 0 > $0
      off=$?
      echo $expedited > /sys/kernel/rcu_expedited
      echo 1 > $0 && exit $off
      """;

  @Test
  void aProcessorThatComesBackIsSampledAsBefore() throws Exception {
    assumeThat(Need.unmet(Set.of(Need.HOTPLUG)).values()).isEmpty();
    try (PinnedMap map = new PinnedMap(Wire.C);
        SpinChild child = new SpinChild(List.of(), map.pin(), 7, "");
        TopProcess top =
            new TopProcess(
                "top", "--json", "--interval", 0.2, "--pin", map.pin(), "--key", SpinChild.KEY)) {
      // So that it is hardly ever away from the processor, at which the timer would stop.
      String ignored = Jvm.output(List.of("renice", "-n", "-20", "-p", "" + child.spinning()));
      double before = samplesPerSecond(top, child);
      // Only sometimes the processor is gone before the timer has noticed that the thread is.
      for (int i = 0; i < TIMES; i++) {
        pin(child);
        // One process, so that the processor is back even if this one is killed.
        ignored = Jvm.output(List.of("sh", "-c", OFF_AND_ON, Need.SECOND_PROCESSOR.toString()));
      }
      assertThat(samplesPerSecond(top, child)).isGreaterThan(LEAST * before);
    }
  }

  /** When a processor goes offline, its threads may run anywhere else from then on. */
  private static void pin(SpinChild child) {
    String ignored = Jvm.output(List.of("taskset", "-p", "-c", "1", "" + child.spinning()));
  }

  /** {@return how often the thread is sampled in a second of its time on the second processor} */
  private static double samplesPerSecond(TopProcess top, SpinChild child) throws IOException {
    pin(child);
    top.line(); // in which it may have run elsewhere
    top.line();
    AtomicLong nanos = new AtomicLong();
    AtomicLong samples = new AtomicLong();
    top.awaitJson(
        "a second of its time",
        interval -> {
          for (Object each : interval.getArray("rows")) {
            JsonObject row = (JsonObject) each;
            if (row.getString("text").equals("7")) {
              nanos.addAndGet(row.getLong("time_ns"));
              samples.addAndGet(row.getLong("samples"));
            }
          }
          return nanos.get() > 1_000_000_000;
        });
    return samples.get() * 1e9 / nanos.get();
  }
}
