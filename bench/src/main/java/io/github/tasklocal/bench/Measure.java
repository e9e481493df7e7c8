// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.util.Arrays;

/**
 * A figure that was measured many times.
 *
 * @param value the median
 * @param low where its spread begins: the first quartile
 * @param high where its spread ends: the third quartile
 */
record Measure(double value, double low, double high) {

  /** {@return the median and the quartiles of samples, of which there is one at least} */
  static Measure of(double... samples) {
    double[] sorted = samples.clone();
    Arrays.sort(sorted);
    return new Measure(quantile(sorted, 0.5), quantile(sorted, 0.25), quantile(sorted, 0.75));
  }

  private static double quantile(double[] sorted, double share) {
    double place = share * (sorted.length - 1);
    int below = (int) place;
    double next = sorted[Math.min(below + 1, sorted.length - 1)];
    return sorted[below] + (place - below) * (next - sorted[below]);
  }
}
