// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.tools.TopCounts.Row;
import io.github.tasklocal.tools.serve.Interim;
import io.github.tasklocal.tools.system.Failure;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Who uses the processors, by the value of a key. */
@Command(
    name = "top",
    // picocli would break a line within NAME[:TYPE].
    customSynopsis = "tasklocal-tools top --key=NAME[:TYPE] [--key=NAME[:TYPE]] [OPTION...]",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = {
      "Shows processor time by the value of a key, or by those of two, interval by interval,"
          + " until q or Ctrl-C.",
      "",
    },
    footer = {
      "",
      "SHARE and TIME: processor time of threads while they had the value. WAIT: how long they"
          + " waited for a processor with it. RUNS: how often one was given a processor. VOL, INVOL:"
          + " how often one left it to wait for something, or had to leave it. THR: how many threads"
          + " ran.",
      "",
      "A process's time is counted to the nanosecond. It is split among values by what threads have"
          + " when they are sampled, about 1000 times a second on each processor, at random: with n"
          + " samples, a share of a half is right within 1.4/sqrt(n). All else is counted exactly.",
      "",
      "(no entry): threads of the same processes that never used a key. (no key): those of"
          + " processes that have not made this one. (not sampled): what was left of processes that"
          + " have ended. (other values): those beyond 8,188 different ones. (outside): the value"
          + " would lie outside of the thread's pages.",
      "",
      SeenValue.LIMITS,
      "",
      ProcessOption.NAMESPACES,
      "",
      "Needs root or CAP_BPF and CAP_PERFMON, and Linux 6.13 or newer,"
          + " or from 5.17 on a serving side."
    })
final class Top implements Callable<Integer> {

  @Spec private @Nullable CommandSpec spec;

  @Mixin private MapOptions map = new MapOptions();

  @Option(
      names = "--key",
      required = true,
      paramLabel = "NAME[:TYPE]",
      converter = KeyOption.Converter.class,
      description = SeenValue.KEY + " A second --key splits each of its values by that key's.")
  private List<KeyOption> keys = List.of();

  @Option(
      names = "--interval",
      paramLabel = "SECONDS",
      defaultValue = "1",
      description = "The length of an interval, at least 0.1 (${DEFAULT-VALUE}).")
  private double interval;

  @ArgGroup private Length length = new Length();

  /** At most one of them. */
  static final class Length {
    @Option(
        names = "--count",
        paramLabel = "N",
        description = "How many intervals (default: no end).")
    private @Nullable Integer count;

    @Option(names = "--once", description = "One interval: --count 1.")
    private boolean once;

    long intervals() {
      return once ? 1 : count == null ? Long.MAX_VALUE : count;
    }
  }

  @Mixin private ServeOption serve = new ServeOption();

  @Mixin private ProcessOption process = new ProcessOption();

  @Mixin private ValueNames names = new ValueNames();

  @Mixin private TopView view = new TopView();

  @ArgGroup private Format format = new Format();

  /** At most one of them. */
  static final class Format {
    @Option(
        names = "--csv",
        description =
            "Comma-separated, a line for each value and interval. Strings have quotes of their own,"
                + " so that no spreadsheet takes one that begins with = for a formula.")
    private boolean csv;

    @Option(names = "--json", description = "A JSON object for each interval, on a line.")
    private boolean json;
  }

  @Option(
      names = "--svg",
      paramLabel = "FILE",
      description = "At the end, write a chart over time to this file.")
  private @Nullable Path svg;

  @Option(
      names = "--metrics",
      paramLabel = "[HOST:]PORT",
      description =
          "Serve counters over HTTP, as Prometheus reads them, on the loopback unless HOST is"
              + " named. The first 1000 values have labels. Tables then go to a terminal only.")
  private @Nullable String metrics;

  /** Whether the user was told that the values look like text. */
  private boolean hinted;

  private Top() {}

  @Override
  public Integer call() throws Exception {
    if (!(interval >= 0.1 && interval <= 86_400)) {
      throw bad("--interval takes seconds from 0.1 to 86400, not " + interval);
    }
    if (length.intervals() < 1) {
      throw bad("--count takes a number of at least 1, not " + length.count);
    }
    if (keys.size() > 2) {
      throw bad("--key can be named twice, not " + keys.size() + " times");
    }
    int pid = process.require();
    Map<String, String> named = names.read();
    if (svg != null) {
      TopChart.requireWritable(svg);
    }
    if (serve.isAsked()) {
      map.serves();
    }
    try (Stop stop = new Stop();
        BpfObject object =
            map.load(
                keys.size() == 1 ? "top" : "top_pairs",
                program -> {
                  SeenValue.choose(program, keys);
                  ProcessOption.choose(program, pid);
                });
        Interim interim = map.isShared() ? serve.start(map.access(), map.pin()) : null) {
      object.program("prepare").run();
      for (String program :
          List.of("ran", "exited", "interrupted", "wakeup", "wakeup_new", "switched")) {
        object.program(program).attach();
      }
      // Meanwhile processes register their threads, and the programs meet those that run.
      boolean comes = map.created() || (interim != null && interim.serves());
      if (!stop.await(comes ? MapOptions.REGISTRATION_MILLIS + 100 : 100)) {
        try (TopMetrics served = metrics == null ? null : new TopMetrics(metrics, keys)) {
          run(new TopCounts.Reader(object, keys, named), stop, served);
        }
      }
    }
    return 0;
  }

  private void run(TopCounts.Reader reader, Stop stop, @Nullable TopMetrics served)
      throws Failure, IOException {
    Output output = Output.of(Tools.require(spec));
    TopTable table = new TopTable(output, keys);
    // Its colours need AWT, which takes long to load.
    TopChart chart = svg == null ? null : new TopChart(keys, svg);
    int processors = Runtime.getRuntime().availableProcessors();
    long intervals = length.intervals();
    boolean live = output.terminal() && !format.csv && !format.json && intervals > 1;
    boolean shows = served == null || output.terminal() || format.csv || format.json;
    if (served != null) {
      say("metrics at " + served.url());
      if (served.isOpen()) {
        say("whoever reaches this address can read the values of " + KeyOption.title(keys));
      }
    }
    if (format.csv) {
      output.line(CSV_HEADER);
    }
    reader.read(); // the first read takes longer
    TopCounts before = reader.read();
    long next = System.nanoTime();
    try (TopScreen screen = live ? new TopScreen(output) : null) {
      for (long i = 0; i < intervals; i++) {
        next += (long) (interval * 1e9);
        boolean end = wait(next, stop, screen);
        TopCounts after = reader.read();
        TopInterval seen =
            TopInterval.between(before, after, processors, reader.noRoom(), reader.skipped());
        if (chart != null) {
          chart.add(seen);
        }
        if (served != null) {
          served.add(view.rows(seen), seen.noRoom());
        }
        if (!hinted && (served != null || format.csv || format.json)) {
          List<String> hints = seen.textHints(keys); // tables have them in their notes
          hints.forEach(this::say);
          hinted = !hints.isEmpty();
        }
        if (shows && (!end || screen == null)) { // of part of an interval it would tell less
          show(seen, output, table, screen);
        }
        if (end) {
          break;
        }
        Output.requireWritten(Tools.require(spec).commandLine().getOut());
        before = after;
      }
    }
    if (chart != null) {
      chart.write();
    }
  }

  /** {@return whether the command is to end} */
  private boolean wait(long until, Stop stop, @Nullable TopScreen screen) throws IOException {
    while (true) {
      long millis = TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime());
      if (millis <= 0) {
        return stop.await(0);
      }
      if (screen == null) {
        return stop.await(millis);
      }
      if (stop.await(Math.min(millis, 50))) {
        return true;
      }
      for (int key = screen.typed(); key >= 0; key = screen.typed()) {
        if (key == 'q' || key == 'Q') {
          return true;
        }
        view.typed(key);
        screen.redraw();
      }
      screen.redrawIfResized();
    }
  }

  private void show(TopInterval seen, Output output, TopTable table, @Nullable TopScreen screen) {
    List<Row> rows = view.rows(seen);
    if (format.csv) {
      rows.forEach(row -> output.line(csv(seen, row)));
    } else if (format.json) {
      output.json(json(seen, rows));
    } else if (screen != null) {
      screen.show((width, height) -> table.screen(seen, view.rows(seen), width, height));
      return;
    } else if (output.terminal()) {
      table.screen(seen, rows, output.width(), Integer.MAX_VALUE).forEach(output::line);
    } else {
      output.print(table.plain(seen, rows));
      output.line("");
    }
    output.print("");
  }

  private static final String CSV_HEADER =
      "time,interval_ns,value,is_value,share,time_ns,wait_ns,runs,voluntary,involuntary,threads,"
          + "samples";

  private static String csv(TopInterval interval, Row row) {
    return String.format(
        Locale.ROOT,
        "%s,%d,%s,%b,%.6f,%d,%d,%d,%d,%d,%d,%d",
        interval.end(),
        interval.nanos(),
        quoted(row.value().text()),
        row.value().isValue(),
        interval.share(row),
        row.nanos(),
        row.waitNanos(),
        row.runs(),
        row.voluntary(),
        row.involuntary(),
        row.threads(),
        row.samples());
  }

  /** {@return a text as a CSV field, quoted as in RFC 4180} */
  private static String quoted(String text) {
    return text.matches("(?s).*[\",\\r\\n].*") ? '"' + text.replace("\"", "\"\"") + '"' : text;
  }

  private JsonObject json(TopInterval interval, List<Row> shown) {
    List<JsonObject> rows = new ArrayList<>();
    for (Row row : shown) {
      rows.add(
          JsonObject.builder()
              .value("value", row.value().json())
              .value("text", row.value().text())
              .value("share", interval.share(row))
              .value("time_ns", row.nanos())
              .value("wait_ns", row.waitNanos())
              .value("runs", row.runs())
              .value("voluntary", row.voluntary())
              .value("involuntary", row.involuntary())
              .value("threads", row.threads())
              .value("samples", row.samples())
              .done());
    }
    JsonObject runs = new JsonObject();
    JsonObject each = new JsonObject();
    for (TopCounts.Program program : TopCounts.Program.values()) {
      String name = program.name().toLowerCase(Locale.ROOT);
      runs.put(name, interval.cost().runs()[program.ordinal()]);
      each.put(name, interval.cost().each(program));
    }
    return JsonObject.builder()
        .value("time", interval.end().toString())
        .value("interval_ns", interval.nanos())
        .value("key", keys.size() == 1 ? keys.getFirst().name() : names())
        .value("processors", interval.processors())
        .value("time_ns", interval.total())
        .array("rows", rows)
        .object("processes")
        .value("count", interval.processes())
        .value("compared", interval.compared())
        .value("counted_ns", interval.counted())
        .value("proc_ns", interval.proc())
        .end()
        .object("cost")
        .value("share", interval.costShare())
        .object("runs", runs)
        .object("ns_per_run", each)
        .end()
        .value("sightings_without_room", interval.noRoom())
        .value("sightings_skipped", interval.skipped())
        .done();
  }

  private JsonArray names() {
    JsonArray names = new JsonArray();
    keys.forEach(key -> names.add(key.name()));
    return names;
  }

  private void say(String text) {
    Output.say(Tools.require(spec), text);
  }

  private ParameterException bad(String message) {
    return new ParameterException(Tools.require(spec).commandLine(), message);
  }
}
