// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import io.github.tasklocal.kit.report.Table;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Help.Ansi;

/** The rows in 100 columns, with a little colour on a terminal. */
final class BenchTable {

  private static final int WORK = 31;
  private static final int BASELINE = 24;
  private static final int WIDTH = 100;

  private final PrintStream out;
  private final Table table;

  BenchTable(PrintStream out) {
    this.table = new Table(out, WIDTH, "%-34s%9s %9s %-24s%7s%8s%s");
    this.out = out;
  }

  void start(Map<String, String> machine, boolean quick) {
    table.head(
        machine,
        quick ? "quick, one fork" : "full, three forks",
        "work",
        "ours",
        "baseline",
        "",
        "ratio",
        "goal",
        "");
  }

  void group(String title, List<Row> rows) {
    out.println(Ansi.AUTO.string("@|bold " + title + "|@"));
    rows.forEach(this::row);
    out.flush();
  }

  void failure(String title, String problem) {
    out.println(Ansi.AUTO.string("@|bold " + title + "|@  @|red failed|@"));
    wrap(problem, WIDTH - 4).forEach(each -> out.println("    " + each));
    out.flush();
  }

  private void row(Row row) {
    List<String> work = wrap(row.name(), WORK);
    List<String> baseline = wrap(row.baselineName() == null ? "" : row.baselineName(), BASELINE);
    for (int i = 0; i < Math.max(work.size(), baseline.size()); i++) {
      String first = i < work.size() ? work.get(i) : "";
      String second = i < baseline.size() ? baseline.get(i) : "";
      if (i > 0) {
        table.row("  " + first, "", "", second, "", "", "");
        continue;
      }
      table.row(
          "  " + first,
          value(row.ours(), row.unit()),
          row.baseline() == null ? "" : value(row.baseline(), row.unit()),
          second,
          row.ratio().isPresent() ? Figures.ratio(row.ratio().getAsDouble()) : "",
          goal(row),
          row.met().map(BenchTable::verdict).orElse(""));
    }
    if (row.note() != null) {
      wrap(row.note(), WIDTH - 4)
          .forEach(each -> out.println(Ansi.AUTO.string("    @|faint " + each + "|@")));
    }
  }

  private static String goal(Row row) {
    if (row.goal() == null) {
      return "";
    }
    return row.baseline() == null ? Figures.number(row.goal()) : Figures.ratio(row.goal());
  }

  private static String value(Measure measure, String unit) {
    return Figures.number(measure.value()) + " " + unit;
  }

  private static String verdict(boolean met) {
    return Ansi.AUTO.string(met ? " @|green met|@" : " @|red MISSED|@");
  }

  private static List<String> wrap(String text, int width) {
    List<String> lines = new ArrayList<>();
    StringBuilder line = new StringBuilder();
    for (String word : text.split("\\s+")) {
      if (!line.isEmpty() && line.length() + 1 + word.length() > width) {
        lines.add(line.toString());
        line.setLength(0);
      }
      line.append(line.isEmpty() ? "" : " ").append(word);
    }
    lines.add(line.toString());
    return lines;
  }
}
