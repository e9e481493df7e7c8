// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.tools.TopCounts.Cost;
import io.github.tasklocal.tools.TopCounts.ProcessTime;
import io.github.tasklocal.tools.TopCounts.Row;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TopIntervalTest {

  private static final SeenValue ACME = new SeenValue("\"acme\"", "acme", true, -1);

  private static TopInterval interval(SeenValue... values) {
    Cost cost = new Cost(new long[5], new double[5]);
    List<Row> rows =
        Arrays.stream(values).map(value -> new Row(value, 10, 0, 1, 0, 0, 1, 1)).toList();
    return TopInterval.between(
        new TopCounts(0, List.of(), Map.of(), cost),
        new TopCounts(1_000_000_000, rows, Map.of(), cost),
        2,
        0,
        0);
  }

  @Test
  void valuesThatLookTheSameAreOne() {
    assertThat(interval(ACME, ACME).rows()).extracting(Row::nanos).containsExactly(20L);
  }

  /** As where /proc is mounted with hidepid, or is of another pid namespace. */
  @Test
  void aProcessOfWhichProcTellsNothingHasLivedAllTheSame() {
    Cost cost = new Cost(new long[5], new double[5]);
    TopInterval interval =
        TopInterval.between(
            new TopCounts(0, List.of(), Map.of(1, time(5, -1, false), 2, time(7, 0, false)), cost),
            new TopCounts(
                1_000_000_000,
                List.of(),
                Map.of(1, time(15, -1, false), 2, time(27, 20, false), 3, time(1, -1, true)),
                cost),
            2,
            0,
            0);
    assertThat(interval.processes()).isEqualTo(2);
    assertThat(interval.compared()).isEqualTo(1);
    assertThat(interval.counted()).isEqualTo(20);
    assertThat(interval.proc()).isEqualTo(20);
  }

  private static ProcessTime time(long counted, long proc, boolean ended) {
    return new ProcessTime(counted, proc, ended);
  }

  @Test
  void aValueIsNeverAddedToWhatIsNone() {
    SeenValue named = new SeenValue("(no key)", 7, true, -1);
    assertThat(interval(named, SeenValue.NO_KEY_VALUE).rows())
        .extracting(Row::nanos)
        .containsExactly(10L, 10L);
  }

  @Test
  void aKeyIsReportedMissingIfThereIsNoValueOfIt() {
    assertThat(interval(SeenValue.NO_KEY_VALUE).noKey()).isTrue();
    assertThat(interval(SeenValue.NO_ENTRY_VALUE, SeenValue.NO_KEY_VALUE).noKey()).isTrue();
    assertThat(interval().noKey()).isFalse();
    assertThat(interval(SeenValue.NO_ENTRY_VALUE).noKey()).isFalse();
    assertThat(interval(SeenValue.NO_KEY_VALUE, ACME).noKey()).isFalse();
    SeenValue otherSize = new SeenValue("(4 bytes, no long)", null, false, -1);
    assertThat(interval(SeenValue.NO_KEY_VALUE, otherSize).noKey()).isFalse();
  }
}
