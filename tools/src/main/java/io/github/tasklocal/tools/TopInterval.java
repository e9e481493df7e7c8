// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.tools.TopCounts.Cost;
import io.github.tasklocal.tools.TopCounts.ProcessTime;
import io.github.tasklocal.tools.TopCounts.Row;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What happened between two counts.
 *
 * @param end the time of the second count
 * @param nanos the time between the two
 * @param processors how many this machine has
 * @param rows of values that threads had meanwhile, those with the most time first
 * @param counted how long the processes ran that lived through all of it, and of which {@code
 *     /proc} tells, by the program
 * @param proc the same, by {@code /proc}
 * @param compared how many processes that were
 * @param processes how many lived through all of it
 * @param cost of the programs that count
 * @param noRoom how often a value found no row, since the start
 * @param skipped how often a value was not read, as the process was exchanging it, since the start
 */
record TopInterval(
    Instant end,
    long nanos,
    int processors,
    List<Row> rows,
    long counted,
    long proc,
    int compared,
    int processes,
    Cost cost,
    long noRoom,
    long skipped) {

  /** What a reader takes for one value. */
  private record Shown(boolean isValue, String text) {}

  static TopInterval between(
      TopCounts before, TopCounts after, int processors, long noRoom, long skipped) {
    Map<Shown, Row> rows = new LinkedHashMap<>();
    for (int i = 0; i < after.rows().size(); i++) {
      Row row = after.rows().get(i);
      if (i < before.rows().size()) {
        row = row.minus(before.rows().get(i));
      }
      if (!row.isEmpty()) {
        // Values can look the same: an int of one process and a long of another, or two with one
        // name.
        rows.merge(new Shown(row.value().isValue(), row.value().text()), row, Row::plus);
      }
    }
    List<Row> sorted = new ArrayList<>(rows.values());
    sorted.sort(
        Comparator.comparingLong(Row::nanos)
            .thenComparingLong(Row::runs)
            .reversed()
            .thenComparing(row -> row.value().text()));

    long counted = 0;
    long proc = 0;
    int compared = 0;
    int processes = 0;
    for (Map.Entry<Integer, ProcessTime> entry : after.processes().entrySet()) {
      ProcessTime then = before.processes().get(entry.getKey());
      ProcessTime now = entry.getValue();
      if (then != null && !now.ended()) {
        processes++;
        if (then.proc() >= 0 && now.proc() >= 0) {
          counted += now.counted() - then.counted();
          proc += now.proc() - then.proc();
          compared++;
        }
      }
    }
    return new TopInterval(
        Instant.now(),
        after.at() - before.at(),
        processors,
        sorted,
        counted,
        proc,
        compared,
        processes,
        after.cost().minus(before.cost()),
        noRoom,
        skipped);
  }

  /** {@return how long all threads ran} */
  long total() {
    return rows.stream().mapToLong(Row::nanos).sum();
  }

  /** {@return a row's part of the time that all threads ran, from 0 to 1} */
  double share(Row row) {
    long total = total();
    return total == 0 ? 0 : (double) row.nanos() / total;
  }

  /** {@return whether threads of processes ran that have not made the key, and no others} */
  boolean noKey() {
    return rows.stream().anyMatch(row -> row.value().equals(SeenValue.NO_KEY_VALUE))
        && rows.stream()
            .map(Row::value)
            .allMatch(
                value ->
                    value.equals(SeenValue.NO_KEY_VALUE) || value.equals(SeenValue.NO_ENTRY_VALUE));
  }

  /** {@return what to tell the user of keys whose values look like text} */
  List<String> textHints(List<KeyOption> keys) {
    List<String> hints = new ArrayList<>();
    for (int i = 0; i < keys.size(); i++) {
      TextHint hint = new TextHint();
      for (Row row : rows) {
        hint.see(row.value().part(i));
      }
      String about = hint.about(keys.get(i));
      if (about != null) {
        hints.add(about);
      }
    }
    return hints;
  }

  /** {@return how many times a thread was seen running} */
  long samples() {
    return rows.stream().mapToLong(Row::samples).sum();
  }

  /** {@return which part of the processors the programs that count took, from 0 to 1} */
  double costShare() {
    return nanos == 0 ? 0 : cost.all() / nanos / processors;
  }
}
