// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonWriter;
import io.github.tasklocal.selftest.Progress;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The rows as they end, for a terminal of 80 columns and for JSON. */
final class Table {

  /** Of what a row that failed has said; all of it is in the JSON. */
  private static final int LINES = 20;

  private final PrintStream out;
  private final Progress progress;
  private final int rows;
  private final List<RowProcess.Result> results = new ArrayList<>();

  Table(PrintStream out, Progress progress, int rows) {
    this.out = out;
    this.progress = progress;
    this.rows = rows;
  }

  void start(Map<String, String> machine, Run.Settings settings) {
    machine.forEach((name, value) -> out.println(name + ": " + value));
    out.println("run: " + (settings.quick() ? "quick" : "full") + ", seed " + settings.seed());
    out.println();
    print("row, time", "figure", "value", "limit", "");
    out.println("-".repeat(80));
  }

  void progress(Row row, String text) {
    progress.show("[" + (results.size() + 1) + "/" + rows + "] " + row.title() + ": " + text);
  }

  void end(RowProcess.Result result) {
    results.add(result);
    progress.clear();
    Iterator<String> row =
        List.of(result.row().name(), "%.1f s".formatted(result.nanos() / 1e9)).iterator();
    for (Figure figure : result.figures()) {
      String verdict = !figure.passed() ? "FAIL" : figure.wanted().isEmpty() ? "" : "ok";
      print(next(row), figure.name(), figure.seen(), figure.wanted(), verdict);
    }
    if (!result.problem().isEmpty() || result.figures().isEmpty()) {
      print(next(row), "did not come to its end", "", "", "FAIL");
      out.println("  " + result.problem());
    }
    if (row.hasNext()) {
      print(row.next(), "", "", "", "");
    }
    if (!result.passed()) {
      result.output().lines().limit(LINES).forEach(line -> out.println("  " + line));
    }
    out.flush();
  }

  private static String next(Iterator<String> cells) {
    return cells.hasNext() ? cells.next() : "";
  }

  private void print(String row, String figure, String value, String limit, String verdict) {
    out.println(
        "%-13s %-33s %16s  %-8s %s".formatted(row, figure, value, limit, verdict).stripTrailing());
  }

  /** Prints the end, and returns whether nothing failed. */
  boolean finish() {
    long passed = passed();
    out.println();
    out.println(passed + " passed, " + (results.size() - passed) + " failed");
    return passed == results.size();
  }

  private long passed() {
    return results.stream().filter(RowProcess.Result::passed).count();
  }

  /** Writes what was said into a file. */
  void write(Path file, Map<String, String> machine, Run.Settings settings) throws IOException {
    JsonArray table = new JsonArray();
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
      table.add(row);
    }
    JsonObject environment = new JsonObject();
    environment.putAll(machine);
    environment.put("quick", settings.quick());
    environment.put("seed", settings.seed());
    JsonObject report = new JsonObject();
    report.put("environment", environment);
    report.put("passed", passed());
    report.put("failed", results.size() - passed());
    report.put("rows", table);
    Files.writeString(file, JsonWriter.indent("  ").string().value(report).done() + "\n");
  }
}
