// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.RingBuffer;
import io.github.tasklocal.tools.system.Failure;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Changes of a key's value, as they are seen. */
@Command(
    name = "trace",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = {
      "Writes the changes of a key's value as they are seen, until Ctrl-C.",
      "",
    },
    footer = {
      "",
      "Setting a value is a store, of which no program is told. A change is seen when the thread is"
          + " put on a processor (enter) or leaves it (leave), is sampled, about 1000 times a"
          + " second (sample), or ends (exit); what comes and goes in between is not.",
      "",
      "text: seconds by CLOCK_MONOTONIC, processor, process, thread, its name, where it was seen, and"
          + " the value before and after. chrome: the Trace Event Format, for ui.perfetto.dev and"
          + " chrome://tracing: a span for each value of each thread.",
      "",
      SeenValue.LIMITS,
      "",
      ProcessOption.NAMESPACES,
      "",
      "Needs root or CAP_BPF and CAP_PERFMON, and Linux 6.13 or newer,"
          + " or from 5.17 on a serving side."
    })
final class Trace implements Callable<Integer> {

  /** How it is written. */
  enum Format {
    TEXT,
    JSON,
    CHROME;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  @Spec private @Nullable CommandSpec spec;

  @Mixin private MapOptions map = new MapOptions();

  @Option(
      names = "--key",
      required = true,
      paramLabel = "NAME[:TYPE]",
      converter = KeyOption.Converter.class,
      description = SeenValue.KEY)
  private KeyOption key = new KeyOption("", null);

  @Mixin private ProcessOption process = new ProcessOption();

  @Option(
      names = "--seconds",
      paramLabel = "N",
      description = "How long to trace (default: no end).")
  private @Nullable Double seconds;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      description = "${COMPLETION-CANDIDATES} (default: text).")
  private @Nullable Format format;

  @Option(names = "--json", description = "An object for each change, on a line: --format json.")
  private boolean json;

  @Mixin private ValueNames names = new ValueNames();

  @Option(
      names = "--output",
      paramLabel = "FILE",
      description = "Where to write (default: standard output).")
  private @Nullable Path file;

  private Trace() {}

  @Override
  public Integer call() throws Exception {
    if (seconds != null && !(seconds > 0 && seconds <= 1e6)) {
      throw bad("--seconds takes a number above 0, up to 1000000, not " + seconds);
    }
    if (json && format != null && format != Format.JSON) {
      throw bad("--json and --format " + format + " exclude each other");
    }
    int pid = process.require();
    Map<String, String> named = names.read();
    try (Stop stop = new Stop();
        PrintWriter out = open();
        BpfObject object =
            map.load(
                "trace",
                program -> {
                  SeenValue.choose(program, key);
                  ProcessOption.choose(program, pid);
                })) {
      TraceWriter writer =
          switch (json ? Format.JSON : format == null ? Format.TEXT : format) {
            case TEXT -> new TraceWriter.Text(out);
            case JSON -> new TraceWriter.Json(out);
            case CHROME -> new TraceWriter.Chrome(out, key.name());
          };
      object.program("prepare").run();
      for (String program : List.of("exited", "interrupted", "switched")) {
        object.program(program).attach();
      }
      TextHint hint = new TextHint();
      run(object, writer, named, hint, stop);
      String text = hint.about(key);
      if (text != null) {
        Output.say(Tools.require(spec), text);
      }
      long skipped = object.global("skipped").get(JAVA_LONG, 0);
      if (skipped > 0) {
        Output.say(
            Tools.require(spec),
            skipped
                + " looks were skipped: the process was exchanging the values of virtual threads");
      }
      long lost = object.global("lost").get(JAVA_LONG, 0);
      if (lost > 0) {
        Output.say(
            Tools.require(spec),
            lost + " changes came too fast and are missing; fewer come with --pid");
      }
    }
    return 0;
  }

  private void run(
      BpfObject object, TraceWriter writer, Map<String, String> named, TextHint hint, Stop stop)
      throws Failure {
    RingBuffer changes = object.map("changes").ringBuffer();
    long end = seconds == null ? Long.MAX_VALUE : (long) (seconds * 1e9);
    long start = System.nanoTime();
    boolean last = false;
    while (!last) {
      long left = TimeUnit.NANOSECONDS.toMillis(end - (System.nanoTime() - start));
      last = left <= 0 || stop.await(Math.min(left, 20));
      changes.consume(
          record -> {
            TraceChange change = TraceChange.read(record, key, named);
            hint.see(change.after());
            writer.write(change);
          });
      writer.flush();
    }
    // CLOCK_MONOTONIC is what System.nanoTime reads on Linux.
    writer.end(System.nanoTime());
    writer.flush();
  }

  private PrintWriter open() throws Failure {
    if (file == null) {
      return Tools.require(spec).commandLine().getOut();
    }
    try {
      return new PrintWriter(Files.newBufferedWriter(file, StandardCharsets.UTF_8));
    } catch (IOException | UncheckedIOException e) {
      throw new Failure("the trace cannot be written to " + file + ": " + e);
    }
  }

  private ParameterException bad(String message) {
    return new ParameterException(Tools.require(spec).commandLine(), message);
  }
}
