// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.report.JsonReport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.HdrHistogram.Histogram;

/**
 * The figures as JSON: times in milliseconds, all else per second, unless the name says otherwise.
 */
final class SchedResults {

  private static final int TICKS_PER_HALF = 5;

  private SchedResults() {}

  static void write(
      Path file,
      Map<String, String> machine,
      Load load,
      Repeats<Run> runs,
      Repeats<Section.Outcome> sections,
      Map<Setting, Double> changeNanos)
      throws IOException {
    JsonArray table = new JsonArray();
    for (Setting setting : runs.settings()) {
      numbered(runs.of(setting), setting, table, SchedResults::json);
    }
    JsonArray goals = new JsonArray();
    for (Goal goal : Goal.of(runs)) {
      JsonObject object = new JsonObject();
      object.put("goal", goal.text());
      object.put("least", goal.least());
      object.put("ratios", new JsonArray(goal.ratios()));
      object.put("met", goal.met());
      goals.add(object);
    }
    JsonArray locked = new JsonArray();
    for (Setting setting : sections.settings()) {
      numbered(sections.of(setting), setting, locked, SchedResults::json);
    }
    JsonObject change = new JsonObject();
    changeNanos.forEach((setting, nanos) -> change.put(setting.title(), nanos));
    new JsonReport(machine)
        .time()
        .put("load", json(load))
        .put("runs", table)
        .put("goals", goals)
        .put("sections", locked)
        .put("change_nanos", change)
        .write(file);
  }

  private static <R> void numbered(
      List<R> results, Setting setting, JsonArray to, Function<R, JsonObject> body) {
    int repeat = 0;
    for (R result : results) {
      repeat++;
      JsonObject object = new JsonObject();
      object.put("setting", setting.title());
      object.put("repeat", repeat);
      object.putAll(body.apply(result));
      to.add(object);
    }
  }

  private static JsonObject json(Load load) {
    JsonObject object = new JsonObject();
    object.put("threads", load.threads());
    object.put("request_millis", load.requestMillis());
    object.put("piece_millis", load.pieceMillis());
    object.put("requests", load.requestsPerSecond());
    object.put("share_of_capacity", load.share());
    return object;
  }

  private static JsonObject json(Run run) {
    JsonObject object = new JsonObject();
    object.put("delay", json(run.delay()));
    object.put("latency", json(run.latency()));
    object.put("own_millis", run.ownMillis());
    object.put("requests", run.requests());
    object.put("pieces", run.pieces());
    object.put("switches", run.switches());
    object.put("hint_syscalls", run.syscalls());
    object.put("hint_stores", run.stores());
    object.put("scx_preemptions", run.preemptions());
    object.put("scx_rescues", run.rescues());
    object.put("scx_hints", run.hints());
    if (!Double.isNaN(run.neighbour())) {
      object.put("neighbour", run.neighbour());
    }
    return object;
  }

  private static JsonObject json(Section.Outcome outcome) {
    JsonObject object = new JsonObject();
    object.put("wait", json(outcome.waited()));
    object.put("held", json(outcome.held()));
    object.put("sections", outcome.sections());
    object.put("switches_each", outcome.switches());
    object.put("hint_syscalls_each", outcome.syscalls());
    object.put("hint_stores_each", outcome.stores());
    return object;
  }

  private static JsonObject json(Histogram histogram) {
    JsonObject object = new JsonObject();
    object.put("count", histogram.getTotalCount());
    for (double percentile : SchedReport.PERCENTILES) {
      String name =
          percentile == 100
              ? "max"
              : "p" + (percentile % 1 == 0 ? "%.0f" : "%.1f").formatted(percentile);
      object.put(name, Repeats.millis(histogram, percentile));
    }
    JsonArray curve = new JsonArray();
    histogram
        .percentiles(TICKS_PER_HALF)
        .forEach(
            point ->
                curve.add(
                    new JsonArray(
                        List.of(
                            point.getPercentileLevelIteratedTo(),
                            point.getValueIteratedTo() / 1e6))));
    object.put("curve", curve);
    return object;
  }
}
