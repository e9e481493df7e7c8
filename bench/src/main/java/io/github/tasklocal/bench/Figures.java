// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.util.Locale;

/** Figures as text, for the table and the plot. */
public final class Figures {

  /** Ratios below this are shown as fractions. */
  private static final double SMALL = 0.02;

  private Figures() {}

  /** {@return the value in about three digits} */
  public static String number(double value) {
    String format = value >= 100 ? "%,.0f" : value >= 10 ? "%.1f" : "%.2f";
    return String.format(Locale.ROOT, format, value);
  }

  /** {@return a ratio, as a fraction if it is small: {@code 1.03}, {@code 1/1,200}} */
  static String ratio(double ratio) {
    return ratio < SMALL && ratio > 0
        ? String.format(Locale.ROOT, "1/%,.0f", 1 / ratio)
        : String.format(Locale.ROOT, "%.2f", ratio);
  }
}
