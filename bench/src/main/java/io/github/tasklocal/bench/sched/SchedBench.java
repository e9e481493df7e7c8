// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import io.github.tasklocal.bench.Figures;
import io.github.tasklocal.kit.Machine;
import io.github.tasklocal.kit.SchedExt;
import io.github.tasklocal.kit.report.Arguments;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * The command. All runs are in one JVM, so that all execute the same compiled code; each has a new
 * pool, so that no thread begins with the state that an earlier scheduler gave it.
 */
@Command(
    name = "bench-sched",
    mixinStandardHelpOptions = true,
    showDefaultValues = true,
    description = {
      "Measures what hints do for a server under the scheduler scx_tasklocal, beside the kernel's"
          + " default scheduler, with and without nice, and beside scx_tasklocal without hints.",
      "",
    },
    footer = {
      "",
      "Needs root and a kernel with sched_ext.",
      "Exit status: 0 if all was measured, also where a goal was missed; 1 if something failed to"
          + " run, 2 for a bad option."
    })
final class SchedBench implements Callable<Integer> {

  private static final double SETTLE_SECONDS = 2;
  private static final double WARM_UP_SECONDS = 1.5;
  private static final int CHANGES = 20_000;
  private static final int CHANGE_ROUNDS = 25;

  @Spec private @Nullable CommandSpec spec;

  @Option(names = "--quick", description = "Short runs, one repeat: too few for the percentiles.")
  private boolean quick;

  @Option(names = "--threads", paramLabel = "N", description = "Number of threads in the pool.")
  private int threads = 16;

  @Option(
      names = "--request",
      paramLabel = "MILLIS",
      description = "Processor time of an interactive request.")
  private double requestMillis = 4;

  @Option(
      names = "--piece",
      paramLabel = "MILLIS",
      description = "Processor time of a piece of the backlog.")
  private double pieceMillis = 1;

  @Option(
      names = "--share",
      paramLabel = "PERCENT",
      description = "Share of the processors' time that the requests take: 40 at most.")
  private double percent = 30;

  @Option(names = "--seconds", paramLabel = "N", description = "Length of one run.")
  private @Nullable Double chosenSeconds;

  @Option(names = "--repeats", paramLabel = "N", description = "How often each setting is run.")
  private @Nullable Integer chosenRepeats;

  @Option(
      names = "--settings",
      paramLabel = "NAME",
      split = ",",
      description = "Run only these settings, separated by commas: ${COMPLETION-CANDIDATES}.")
  private List<Setting> settings = List.of(Setting.values());

  @Option(
      names = "--neighbour",
      paramLabel = "WEIGHT",
      description =
          "Run a process that wants all processors beside the server, in a control group of this"
              + " weight (cpu.weight); the server's has 100. Measures the server alone.")
  private @Nullable Integer weight;

  @Option(names = "--json", paramLabel = "FILE", description = "Also write the figures as JSON.")
  private @Nullable Path json;

  @Option(names = "--plot", paramLabel = "FILE", description = "Also draw the curves, as SVG.")
  private @Nullable Path plot;

  private SchedBench() {}

  /**
   * Runs the command and exits.
   *
   * @param args the options
   */
  public static void main(String[] args) {
    System.exit(
        Arguments.commandLine(new SchedBench()).setOverwrittenOptionsAllowed(true).execute(args));
  }

  @Override
  public Integer call() throws IOException, InterruptedException, ExecutionException {
    check();
    double seconds = chosenSeconds != null ? chosenSeconds : quick ? 6 : 20;
    int repeats = chosenRepeats != null ? chosenRepeats : quick ? 1 : 3;
    SchedReport report = new SchedReport(System.out);
    Map<String, String> machine = Machine.descriptionWithLoad();
    report.start(machine);
    progress("warming up");
    Load load = Load.measure(threads, requestMillis, pieceMillis, percent / 100, quick ? 6 : 12, 4);
    report.load(load, seconds, repeats);
    for (Telling telling : Telling.values()) {
      // What the compiler does at first belongs to no setting.
      Server.run(Scheduler.kernels(), null, load, telling, 0, WARM_UP_SECONDS);
      Section.run(Scheduler.kernels(), load, telling, 0, WARM_UP_SECONDS);
    }

    Repeats<Run> runs = new Repeats<>();
    Repeats<Section.Outcome> sections = new Repeats<>();
    Map<Setting, Double> changeNanos = new EnumMap<>(Setting.class);
    try (Neighbour neighbour = weight == null ? null : Neighbour.start(weight, threads)) {
      measure(load, neighbour, seconds, repeats, runs, sections, changeNanos);
    }
    report.runs(runs);
    if (weight == null) {
      report.sections(sections, changeNanos);
    } else {
      report.neighbour(weight, runs);
    }
    if (json != null) {
      SchedResults.write(json, machine, load, runs, sections, changeNanos);
    }
    if (plot != null) {
      Curves.write(plot, machine, load, runs);
    }
    return 0;
  }

  private void measure(
      Load load,
      @Nullable Neighbour neighbour,
      double seconds,
      int repeats,
      Repeats<Run> runs,
      Repeats<Section.Outcome> sections,
      Map<Setting, Double> changeNanos)
      throws InterruptedException, ExecutionException {
    for (int repeat = 1; repeat <= repeats; repeat++) {
      for (Setting setting : settings) {
        progress("%s, %d of %d".formatted(setting.title(), repeat, repeats));
        try (Scheduler scheduler = setting.start()) {
          if (repeat == 1 && neighbour == null && setting.telling() != Telling.NOTHING) {
            changeNanos.put(setting, changeNanos(setting.telling()));
          }
          Run run =
              Server.run(scheduler, neighbour, load, setting.telling(), SETTLE_SECONDS, seconds);
          scheduler.check();
          runs.add(setting, run);
          progress(
              "  delay p50 %s ms, p99 %s ms"
                  .formatted(
                      Figures.number(Repeats.millis(run.delay(), 50)),
                      Figures.number(Repeats.millis(run.delay(), 99))));
          if (neighbour == null) {
            sections.add(setting, Section.run(scheduler, load, setting.telling(), 1, seconds / 3));
            scheduler.check();
          }
        }
      }
    }
  }

  private void check() {
    Arguments.requireWritable(spec, "--json", json);
    Arguments.requireWritable(spec, "--plot", plot);
    if (percent <= 0 || percent > 40) {
      throw Arguments.bad(
          spec,
          "--share is "
              + percent
              + ": use more than 0 and at most 40. With more, requests queue for each other,"
              + " whatever the scheduler does");
    }
    if (weight != null && (weight < 1 || weight > 10_000)) {
      throw Arguments.bad(spec, "--neighbour is " + weight + ": a weight is 1 to 10000");
    }
    if (settings.stream().anyMatch(Setting::needsSchedExt) && !SchedExt.supported()) {
      throw Arguments.bad(
          spec,
          "this kernel has no sched_ext (CONFIG_SCHED_CLASS_EXT): scripts/bench-sched boots one"
              + " that has; --settings default,nice runs without");
    }
  }

  /** {@return what one change costs the thread that makes it} */
  private static double changeNanos(Telling telling) {
    List<Double> rounds = new ArrayList<>();
    for (int round = 0; round < CHANGE_ROUNDS; round++) {
      long begin = Clock.ownTime();
      for (int i = 0; i < CHANGES / 2; i++) {
        telling.urgent();
        telling.normal();
      }
      rounds.add((double) (Clock.ownTime() - begin) / CHANGES);
    }
    return Repeats.median(rounds);
  }

  private static void progress(String what) {
    System.err.println("bench-sched: " + what);
  }
}
