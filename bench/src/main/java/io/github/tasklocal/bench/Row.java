// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * One line of the table.
 *
 * @param group what it belongs to, as {@code --filter} names it
 * @param name what was done
 * @param unit of both measures: {@code ns}, {@code ms}, {@code B}
 * @param ours the library's cost
 * @param baselineName what was done without it, in the same run
 * @param baseline null where nothing is compared
 * @param goal the ratio of ours to the baseline at most, or the value where there is no baseline;
 *     null where it is only reported
 * @param note what a reader should know besides
 */
record Row(
    String group,
    String name,
    String unit,
    Measure ours,
    @Nullable String baselineName,
    @Nullable Measure baseline,
    @Nullable Double goal,
    @Nullable String note) {

  /** {@return how many times the baseline's cost ours is, if something is compared} */
  OptionalDouble ratio() {
    return baseline == null
        ? OptionalDouble.empty()
        : OptionalDouble.of(ours.value() / baseline.value());
  }

  /** {@return whether the goal is met, if there is one} */
  Optional<Boolean> met() {
    return goal == null ? Optional.empty() : Optional.of(ratio().orElse(ours.value()) <= goal);
  }
}
