// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import io.github.tasklocal.bench.Figures;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.HdrHistogram.Histogram;

/** The figures as tables of 100 columns. */
final class SchedReport {

  static final double[] PERCENTILES = {50, 99, 99.9, 100};

  private static final int NAME = 16;
  private static final int COLUMN = 9;
  private static final int RATIO = 7;

  private final PrintStream out;

  SchedReport(PrintStream out) {
    this.out = out;
  }

  void start(Map<String, String> machine) {
    machine.forEach((name, value) -> out.println(name + ": " + value));
  }

  void load(Load load, double seconds, int repeats) {
    out.printf(
        Locale.ROOT,
        """
        load: %.1f requests/s of %.2f ms of processor time each (%.0f %% of the processors), over a
          backlog of pieces of %.2f ms, on the same %d threads; %d runs of %.0f s for each setting
        """,
        load.requestsPerSecond(),
        load.requestMillis(),
        100 * load.share(),
        load.pieceMillis(),
        load.threads(),
        repeats,
        seconds);
    out.flush();
  }

  void runs(Repeats<Run> runs) {
    long count = runs.of(runs.settings().iterator().next()).getFirst().delay().getTotalCount();
    title("Interactive requests, milliseconds; %,d in each run".formatted(count));
    out.println(
        pad("", NAME + 3)
            + pad("  delay (latency less own processor time)", 4 * COLUMN + 4)
            + "  latency (from when it was due)");
    line("setting", "", COLUMN, "p50", "p99", "p99.9", "max", "", "p50", "p99", "p99.9", "max");
    each(
        runs,
        (name, number, run) ->
            line(
                name,
                number,
                COLUMN,
                join(percentiles(run.delay()), List.of(""), percentiles(run.latency()))));
    for (Setting setting : runs.settings()) {
      line(
          setting.title(),
          "all",
          COLUMN,
          join(
              percentiles(runs.together(setting, Run::delay)),
              List.of(""),
              percentiles(runs.together(setting, Run::latency))));
    }

    title(
        "Throughput, switches; syscalls and stores to tell each change of a hint: all per second");
    line(
        "setting",
        "",
        COLUMN,
        "requests",
        "pieces",
        "switches",
        "syscalls",
        "stores",
        "own ms",
        "",
        "preempt.",
        "rescues");
    each(
        runs,
        (name, number, run) ->
            line(
                name,
                number,
                COLUMN,
                figure(run.requests()),
                figure(run.pieces()),
                figure(run.switches()),
                figure(run.syscalls()),
                figure(run.stores()),
                figure(run.ownMillis()),
                "",
                figure(run.preemptions()),
                figure(run.rescues())));

    title("Compared with the default: how many times smaller; median of the repeats");
    line(
        "setting",
        "",
        RATIO,
        "p50",
        "p99",
        "p99.9",
        "max",
        "",
        "p50",
        "p99",
        "p99.9",
        "max",
        "  requ.",
        "pieces",
        "switches");
    for (Setting setting : runs.settings()) {
      if (setting == Setting.DEFAULT || runs.of(Setting.DEFAULT).isEmpty()) {
        continue;
      }
      List<String> cells = new ArrayList<>();
      for (double percentile : PERCENTILES) {
        cells.add(smaller(runs, setting, run -> Repeats.millis(run.delay(), percentile)));
      }
      cells.add("");
      for (double percentile : PERCENTILES) {
        cells.add(smaller(runs, setting, run -> Repeats.millis(run.latency(), percentile)));
      }
      cells.add(larger(runs, setting, Run::requests));
      cells.add(larger(runs, setting, Run::pieces));
      cells.add(larger(runs, setting, Run::switches));
      line(setting.title(), "", RATIO, cells.toArray(String[]::new));
    }

    if (isBesideNeighbour(runs)) {
      return; // the goals are those of a server alone
    }
    title("Goals of hints, by repeat");
    for (Goal goal : Goal.of(runs)) {
      out.printf(
          "%-58s%-26s%s%n",
          goal.text(),
          goal.ratios().stream().map(SchedReport::figure).collect(Collectors.joining("  ")),
          goal.met() ? "met" : "MISSED");
    }
    out.flush();
  }

  private static boolean isBesideNeighbour(Repeats<Run> runs) {
    return runs.settings().stream()
        .flatMap(setting -> runs.of(setting).stream())
        .anyMatch(run -> !Double.isNaN(run.neighbour()));
  }

  void neighbour(int weight, Repeats<Run> runs) {
    title(
        "A neighbour in a control group of weight %d, the server's in one of %d: %% of the processors"
            .formatted(weight, Neighbour.SERVERS_WEIGHT));
    line("setting", "", COLUMN, "had", "by weight");
    String due = figure(100.0 * weight / (weight + Neighbour.SERVERS_WEIGHT));
    each(
        runs,
        (name, number, run) -> line(name, number, COLUMN, figure(100 * run.neighbour()), due));
    out.flush();
  }

  void sections(Repeats<Section.Outcome> sections, Map<Setting, Double> changeNanos) {
    title(
        "A hint that changes inside a request: urgent while it waits for or holds a lock that all"
            + " use");
    out.println(
        pad("", NAME + 3)
            + "  wait for the lock, ms"
            + " ".repeat(13)
            + "held, ms          "
            + "for each time under the lock");
    line(
        "setting",
        "",
        8,
        "p50",
        "p99",
        "p99.9",
        "max",
        "p50",
        "p99",
        "each/s",
        "switches",
        "syscalls",
        "stores");
    each(
        sections,
        (name, number, outcome) ->
            line(
                name,
                number,
                8,
                join(
                    percentiles(outcome.waited()),
                    percentiles(outcome.held()).subList(0, 2),
                    List.of(
                        figure(outcome.sections()),
                        figure(outcome.switches()),
                        figure(outcome.syscalls()),
                        figure(outcome.stores())))));
    changeNanos.forEach(
        (setting, nanos) ->
            out.printf(
                "one change, %s: %s ns, the median of 25 times 20,000 without any other load%n",
                setting.title(), figure(nanos)));
    out.flush();
  }

  private interface Each<R> {
    void line(String name, String number, R result);
  }

  private static <R> void each(Repeats<R> repeats, Each<R> body) {
    for (Setting setting : repeats.settings()) {
      int number = 0;
      for (R result : repeats.of(setting)) {
        number++;
        body.line(number == 1 ? setting.title() : "", String.valueOf(number), result);
      }
    }
  }

  private void title(String title) {
    out.println();
    out.println(title);
  }

  private void line(String name, String number, int width, String... cells) {
    StringBuilder line = new StringBuilder(pad(name, NAME)).append(pad(number, 3));
    for (String cell : cells) {
      // An empty cell is a gap between two groups.
      line.append(cell.isEmpty() ? "    " : " ".repeat(Math.max(1, width - cell.length())) + cell);
    }
    out.println(line.toString().stripTrailing());
  }

  @SafeVarargs
  private static String[] join(List<String>... parts) {
    List<String> cells = new ArrayList<>();
    for (List<String> part : parts) {
      cells.addAll(part);
    }
    return cells.toArray(String[]::new);
  }

  private static List<String> percentiles(Histogram histogram) {
    List<String> cells = new ArrayList<>();
    for (double percentile : PERCENTILES) {
      cells.add(figure(Repeats.millis(histogram, percentile)));
    }
    return cells;
  }

  private static String smaller(Repeats<Run> runs, Setting setting, ToDoubleFunction<Run> figure) {
    return figure(Repeats.median(runs.ratios(Setting.DEFAULT, setting, figure)));
  }

  private static String larger(Repeats<Run> runs, Setting setting, ToDoubleFunction<Run> figure) {
    return figure(Repeats.median(runs.ratios(setting, Setting.DEFAULT, figure)));
  }

  private static String pad(String text, int width) {
    return text + " ".repeat(Math.max(0, width - text.length()));
  }

  private static String figure(double value) {
    return Figures.number(value);
  }
}
