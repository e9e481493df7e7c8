// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import java.util.Locale;

/**
 * Something that was measured, and what it has to be.
 *
 * @param name what it is
 * @param value how much
 * @param unit of the value and the limit; empty for a number of things
 * @param relation how the value has to stand to the limit
 * @param limit a number, without meaning for {@link Relation#ANY}
 */
record Figure(String name, double value, String unit, Relation relation, double limit) {

  /** How a value has to stand to its limit. */
  enum Relation {
    /** At most as much. */
    AT_MOST("<="),
    /** As much. */
    EQUAL("="),
    /** More. */
    MORE_THAN(">"),
    /** There is no limit. */
    ANY("");

    private final String sign;

    Relation(String sign) {
      this.sign = sign;
    }
  }

  /** {@return whether it is what it has to be} */
  boolean passed() {
    return switch (relation) {
      case AT_MOST -> value <= limit;
      case EQUAL -> value == limit;
      case MORE_THAN -> value > limit;
      case ANY -> true;
    };
  }

  /** {@return the value with its unit, for people} */
  String seen() {
    return text(value) + (unit.isEmpty() ? "" : " " + unit);
  }

  /** {@return the limit, for people; empty where there is none} */
  String wanted() {
    return relation == Relation.ANY ? "" : relation.sign + " " + text(limit);
  }

  private static String text(double number) {
    String format = number == Math.rint(number) ? "%,.0f" : "%,.1f";
    String text = String.format(Locale.ROOT, format, number);
    return text.equals("-0.0") ? "0.0" : text;
  }

  /** {@return all of it in a line, for {@link #parse}} */
  String line() {
    return String.join(
        "\t", name, Double.toString(value), unit, relation.name(), Double.toString(limit));
  }

  static Figure parse(String line) {
    String[] part = line.split("\t", 5);
    return new Figure(
        part[0],
        Double.parseDouble(part[1]),
        part[2],
        Relation.valueOf(part[3]),
        Double.parseDouble(part[4]));
  }
}
