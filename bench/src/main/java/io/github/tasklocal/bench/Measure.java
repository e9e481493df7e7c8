// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.util.List;
import org.openjdk.jmh.util.ListStatistics;
import org.openjdk.jmh.util.Statistics;

/**
 * A figure that was measured many times.
 *
 * @param value the median
 * @param low where its spread begins: the first quartile
 * @param high where its spread ends: the third quartile
 */
record Measure(double value, double low, double high) {

  /** {@return the same of a list} */
  static Measure of(List<Double> samples) {
    return of(samples.stream().mapToDouble(Double::doubleValue).toArray());
  }

  /** {@return the median and the quartiles of samples, of which there is one at least} */
  static Measure of(double... samples) {
    Statistics all = new ListStatistics(samples);
    return new Measure(all.getPercentile(50), all.getPercentile(25), all.getPercentile(75));
  }
}
