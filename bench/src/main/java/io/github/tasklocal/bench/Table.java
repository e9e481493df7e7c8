// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Help.Ansi;

/** The rows on a terminal of 100 columns, with a little colour where that is a terminal. */
final class Table {

  private static final int WORK = 31;
  private static final int BASELINE = 24;
  private static final int WIDTH = 100;

  private final PrintStream out;

  Table(PrintStream out) {
    this.out = out;
  }

  void start(Map<String, String> machine, boolean quick) {
    machine.forEach((name, value) -> out.println(name + ": " + value));
    out.println("run: " + (quick ? "quick, one fork" : "full, three forks"));
    out.println();
    line("work", "ours", "baseline", "", "ratio", "goal", "");
    out.println("-".repeat(WIDTH));
    out.flush();
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
        line("  " + first, "", "", second, "", "", "");
        continue;
      }
      line(
          "  " + first,
          value(row.ours(), row.unit()),
          row.baseline() == null ? "" : value(row.baseline(), row.unit()),
          second,
          row.ratio().isPresent() ? Figures.ratio(row.ratio().getAsDouble()) : "",
          goal(row),
          row.met().map(met -> met ? "met" : "MISSED").orElse(""));
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

  private void line(
      String work,
      String ours,
      String baseline,
      String baselineName,
      String ratio,
      String goal,
      String verdict) {
    String line =
        "%-34s%9s %9s %-24s%7s%8s".formatted(work, ours, baseline, baselineName, ratio, goal);
    String colour = verdict.equals("met") ? "green" : "red";
    String end =
        verdict.isEmpty() ? "" : " " + Ansi.AUTO.string("@|" + colour + " " + verdict + "|@");
    out.println((line + end).stripTrailing());
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
