// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.report.JsonReport;
import io.github.tasklocal.kit.report.Progress;
import io.github.tasklocal.kit.report.Table;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The rows as they end, for a terminal of 80 columns and for JSON. */
final class SoakTable {

  /** How many lines of a failed row's output are shown; the JSON has all. */
  private static final int LINES = 20;

  private final PrintStream out;
  private final Table table;
  private final Progress progress;
  private final int count;
  private final List<RowProcess.Result> results = new ArrayList<>();

  SoakTable(PrintStream out, Progress progress, int count) {
    this.table = new Table(out, 80, "%-13s %-33s %16s  %-8s %s");
    this.out = out;
    this.progress = progress;
    this.count = count;
  }

  void start(Map<String, String> machine, SoakRun.Settings settings) {
    table.head(
        machine,
        (settings.quick() ? "quick" : "full") + ", seed " + settings.seed(),
        "row, time",
        "figure",
        "value",
        "limit",
        "");
  }

  void progress(SoakRow row, String text) {
    progress.show("[" + (results.size() + 1) + "/" + count + "] " + row.title() + ": " + text);
  }

  void end(RowProcess.Result result) {
    results.add(result);
    progress.clear();
    Iterator<String> row =
        List.of(result.row().name(), "%.1f s".formatted(result.nanos() / 1e9)).iterator();
    for (Figure figure : result.figures()) {
      String verdict = !figure.passed() ? "FAIL" : figure.wanted().isEmpty() ? "" : "ok";
      table.row(next(row), figure.name(), figure.seen(), figure.wanted(), verdict);
    }
    if (!result.problem().isEmpty() || result.figures().isEmpty()) {
      table.row(next(row), "did not finish", "", "", "FAIL");
      out.println("  " + result.problem());
    }
    if (row.hasNext()) {
      table.row(row.next(), "", "", "", "");
    }
    if (!result.passed()) {
      result.output().lines().limit(LINES).forEach(line -> out.println("  " + line));
    }
    out.flush();
  }

  private static String next(Iterator<String> cells) {
    return cells.hasNext() ? cells.next() : "";
  }

  /** Prints the summary, and returns whether nothing failed. */
  boolean finish() {
    long passed = passed();
    out.println();
    out.println(passed + " passed, " + (results.size() - passed) + " failed");
    return passed == results.size();
  }

  private long passed() {
    return results.stream().filter(RowProcess.Result::passed).count();
  }

  /** Writes the results into a file, as JSON. */
  void write(Path file, Map<String, String> machine, SoakRun.Settings settings) throws IOException {
    JsonArray rows = new JsonArray();
    for (RowProcess.Result result : results) {
      JsonArray figures = new JsonArray();
      for (Figure figure : result.figures()) {
        JsonObject object = new JsonObject();
        object.put("name", figure.name());
        object.put("value", figure.value());
        object.put("unit", figure.unit());
        if (figure.relation() != Figure.Relation.ANY) {
          object.put("has to be", figure.relation().name().toLowerCase(Locale.ROOT));
          object.put("limit", figure.limit());
        }
        object.put("passed", figure.passed());
        figures.add(object);
      }
      JsonObject row = new JsonObject();
      row.put("name", result.row().name());
      row.put("title", result.row().title());
      row.put("passed", result.passed());
      row.put("problem", result.problem());
      row.put("output", result.output());
      row.put("nanoseconds", result.nanos());
      row.put("figures", figures);
      rows.add(row);
    }
    new JsonReport(machine)
        .environment("quick", settings.quick())
        .environment("seed", settings.seed())
        .put("passed", passed())
        .put("failed", results.size() - passed())
        .put("rows", rows)
        .write(file);
  }
}
