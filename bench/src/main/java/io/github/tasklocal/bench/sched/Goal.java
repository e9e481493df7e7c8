// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What hints should do, and what they did in each repeat.
 *
 * @param text with the least that is wanted
 * @param least of the ratios
 * @param ratios one for each repeat
 */
record Goal(String text, double least, List<Double> ratios) {

  private static final double[] LEAST = {10, 3};
  private static final double[] PERCENTILES = {50, 99};
  private static final double BATCH = 0.95;

  /** {@return whether every repeat has met it} */
  boolean met() {
    return ratios.stream().allMatch(ratio -> ratio >= least);
  }

  /** {@return the goals of the runs that there are} */
  static List<Goal> of(Repeats<Run> runs) {
    List<Goal> goals = new ArrayList<>();
    for (int i = 0; i < PERCENTILES.length; i++) {
      goals.add(
          delay(
              runs,
              Setting.DEFAULT,
              PERCENTILES[i],
              LEAST[i],
              "at least %.0f times smaller than the default's"));
    }
    for (double percentile : PERCENTILES) {
      goals.add(delay(runs, Setting.NICE, percentile, 1, "smaller than with nice"));
    }
    goals.add(
        new Goal(
            "batch throughput at least 0.95 of the default's",
            BATCH,
            runs.ratios(Setting.HINTS, Setting.DEFAULT, Run::pieces)));
    return goals.stream().filter(goal -> !goal.ratios().isEmpty()).toList();
  }

  private static Goal delay(
      Repeats<Run> runs, Setting than, double percentile, double least, String wanted) {
    ToDoubleFunction<Run> figure = run -> Repeats.millis(run.delay(), percentile);
    return new Goal(
        "delay p%.0f ".formatted(percentile) + wanted.formatted(least),
        least,
        runs.ratios(than, Setting.HINTS, figure));
  }
}
