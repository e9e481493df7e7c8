// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit.report;

import java.io.PrintStream;
import java.util.Map;

/** A table of figures: what it was measured on, titles, and rows as they come. */
public final class Table {

  private final PrintStream out;
  private final int width;
  private final String format;

  /**
   * Prints nothing yet.
   *
   * @param width of the whole
   * @param format of the cells of a row
   */
  public Table(PrintStream out, int width, String format) {
    this.out = out;
    this.width = width;
    this.format = format;
  }

  /** What it is about, and the titles of the columns. */
  public void head(Map<String, String> machine, String run, Object... titles) {
    machine.forEach((name, value) -> out.println(name + ": " + value));
    out.println("run: " + run);
    out.println();
    row(titles);
    out.println("-".repeat(width));
    out.flush();
  }

  /** A row. */
  public void row(Object... cells) {
    out.println(format.formatted(cells).stripTrailing());
  }
}
