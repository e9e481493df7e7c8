// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import org.HdrHistogram.Histogram;
import org.openjdk.jmh.util.ListStatistics;

/**
 * What was measured, by setting, several times each. The settings take turns, so that what changes
 * on the machine meanwhile affects all of them: a setting's repeat is compared with the same repeat
 * of another.
 */
final class Repeats<R> {

  private final Map<Setting, List<R>> results = new EnumMap<>(Setting.class);

  void add(Setting setting, R result) {
    results.computeIfAbsent(setting, key -> new ArrayList<>()).add(result);
  }

  Set<Setting> settings() {
    return results.keySet();
  }

  List<R> of(Setting setting) {
    return results.getOrDefault(setting, List.of());
  }

  /** {@return one setting's figure over another's, for each repeat; none if one was not run} */
  List<Double> ratios(Setting over, Setting under, ToDoubleFunction<R> figure) {
    List<Double> ratios = new ArrayList<>();
    for (int i = 0; i < Math.min(of(over).size(), of(under).size()); i++) {
      ratios.add(figure.applyAsDouble(of(over).get(i)) / figure.applyAsDouble(of(under).get(i)));
    }
    return ratios;
  }

  /** {@return a setting's histograms of all repeats as one} */
  Histogram together(Setting setting, Function<R, Histogram> histogram) {
    Histogram all = Server.histogram();
    of(setting).forEach(result -> all.add(histogram.apply(result)));
    return all;
  }

  static double median(List<Double> values) {
    double[] all = values.stream().mapToDouble(Double::doubleValue).toArray();
    return new ListStatistics(all).getPercentile(50);
  }

  /** {@return a percentile in milliseconds; 100 is the maximum} */
  static double millis(Histogram histogram, double percentile) {
    return histogram.getValueAtPercentile(percentile) / 1e6;
  }
}
