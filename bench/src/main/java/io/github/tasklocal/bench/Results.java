// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.report.JsonReport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The rows as JSON. */
final class Results {

  private Results() {}

  static void write(
      Path file, Map<String, String> machine, boolean quick, List<Row> rows, List<String> failures)
      throws IOException {
    JsonArray table = new JsonArray();
    rows.forEach(row -> table.add(json(row)));
    new JsonReport(machine)
        .environment("quick", quick)
        .time()
        .put("failed", new JsonArray(failures))
        .put("rows", table)
        .write(file);
  }

  private static JsonObject json(Row row) {
    JsonObject object = new JsonObject();
    object.put("group", row.group());
    object.put("work", row.name());
    object.put("unit", row.unit());
    object.put("ours", json(row.ours()));
    if (row.baseline() != null) {
      JsonObject baseline = json(row.baseline());
      baseline.put("name", row.baselineName());
      object.put("baseline", baseline);
    }
    row.ratio().ifPresent(ratio -> object.put("ratio", ratio));
    if (row.goal() != null) {
      object.put("goal", row.goal());
    }
    row.met().ifPresent(met -> object.put("met", met));
    if (row.note() != null) {
      object.put("note", row.note());
    }
    return object;
  }

  private static JsonObject json(Measure measure) {
    JsonObject object = new JsonObject();
    object.put("value", measure.value());
    object.put("low", measure.low());
    object.put("high", measure.high());
    return object;
  }
}
