// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import io.github.tasklocal.kit.Folders;
import io.github.tasklocal.kit.Machine;
import io.github.tasklocal.kit.report.Arguments;
import io.github.tasklocal.kit.report.Progress;
import io.github.tasklocal.kit.report.RunOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description = {
      "Measures what the library costs, compared with what one would do without it.",
      "",
    },
    footer = {
      "",
      "Needs root, kernel 6.13 or newer and its BTF.",
      "Exit status: 0 if all was measured, also where a goal was missed; 1 if something failed to"
          + " run, 2 for a bad option."
    })
final class Bench implements Callable<Integer> {

  /** The most that measuring itself allocates, in bytes per operation. */
  static final double PROFILER_BYTES = 0.01;

  private final Jmh jmh = new Jmh(Path.of(System.getProperty("java.io.tmpdir"), "jmh"));

  private final List<Group> groups =
      List.of(
          jmh.group("any-thread", "On any platform thread", AnyThread.class),
          jmh.group("own-thread", "On a TaskLocalThread", OwnThread.class),
          jmh.group("mixed", "Both kinds of threads in one process", MixedThreads.class),
          jmh.group("bound", "Through bind()", ThroughBind.class),
          jmh.group("struct", "A struct of 16 bytes", Struct.class),
          jmh.group("scope", "A value for the length of a call", Scoped.class),
          new Group("c", "Beside a C program", 20, 35, BesideC::rows),
          new Group("garbage", "Garbage", 0, 0, quick -> garbage("")),
          jmh.group("hint", "A hint to BPF", Hint.class),
          new Group("first-use", "A new thread", 6, 18, FirstUse::rows),
          new Group("served", "Served over a socket", 15, 45, ServedCosts::rows),
          jmh.group("open", "Opening a map", MapOpening.class),
          new Group("scale", "Many live threads", 60, 130, LiveThreads::rows),
          jmh.group("sharing", "Two threads, packed pages", FalseSharing.class),
          new Group("bpf", "In BPF", 3, 12, BpfCosts::rows),
          new Group("start", "Start-up", 6, 20, StartUp::rows),
          new Group("memory", "Memory", 2, 2, PinnedPages::rows),
          jmh.group("virtual", "Virtual threads, values follow them", VirtualAccess.class)
              .and(1, 1, quick -> garbage("virtual"))
              .and(50, 150, VirtualMounts::rows)
              .and(35, 100, VirtualStarts::rows)
              .and(15, 50, ParkedThreads::rows));

  @Spec private @Nullable CommandSpec spec;

  @Mixin private RunOptions options = new RunOptions();

  @Option(
      names = "--quick",
      description = "Use one fork and short rounds; takes less than ten minutes.")
  private boolean quick;

  @Option(
      names = "--plot",
      paramLabel = "FILE",
      description = "Also draw the ratios into a file, as SVG.")
  private @Nullable Path plot;

  private Bench() {}

  /**
   * Runs the command and exits.
   *
   * @param args the options
   */
  public static void main(String[] args) {
    // scripts/bench names files for the results; the caller's options come later and override them.
    System.exit(
        Arguments.commandLine(new Bench()).setOverwrittenOptionsAllowed(true).execute(args));
  }

  @Override
  public Integer call() throws IOException {
    List<Group> chosen = options.chosen("group", groups, Group::name);
    if (options.list()) {
      chosen.forEach(group -> System.out.printf("%-12s %s%n", group.name(), group.title()));
      return 0;
    }
    Path json = options.json();
    Arguments.requireWritable(spec, "--plot", plot);
    Folders.sweep();
    Map<String, String> machine = Machine.descriptionWithLoad();
    BenchTable table = new BenchTable(System.out);
    table.start(machine, quick);
    List<Row> rows = new ArrayList<>();
    List<String> failures = new ArrayList<>();
    Progress progress = new Progress(System.err, "bench: ");
    for (int i = 0; i < chosen.size(); i++) {
      Group group = chosen.get(i);
      if (group.seconds(quick) > 0) {
        progress.show(left(chosen, i));
      }
      try {
        List<Row> some = group.body().rows(quick);
        progress.clear();
        if (!some.isEmpty()) {
          table.group(group.title(), some);
        }
        rows.addAll(some);
      } catch (Exception | AssertionError e) {
        progress.clear();
        failures.add(group.name());
        table.failure(group.title(), causes(e));
      }
    }
    if (json != null) {
      Results.write(json, machine, quick, rows, failures);
    }
    if (plot != null) {
      Plot.write(plot, machine, rows);
    }
    long goals = rows.stream().filter(row -> row.met().isPresent()).count();
    long met = rows.stream().filter(row -> row.met().orElse(false)).count();
    System.out.println();
    System.out.printf("%d of %d goals met%n", met, goals);
    if (!failures.isEmpty()) {
      System.out.println("failed to run: " + String.join(", ", failures));
    }
    return failures.isEmpty() ? 0 : 1;
  }

  /** {@return a row with the most that a benchmark so far has allocated; none should allocate} */
  private List<Row> garbage(String group) {
    return jmh.allocated().entrySet().stream()
        .filter(each -> each.getKey().startsWith(group))
        .max(Map.Entry.comparingByValue())
        .map(
            most -> {
              double bytes = most.getValue();
              return new Row(
                  group.isEmpty() ? "garbage" : group,
                  "allocated by each set or get above",
                  "B",
                  new Measure(bytes, bytes, bytes),
                  null,
                  null,
                  PROFILER_BYTES,
                  "The highest is that of \""
                      + most.getKey()
                      + "\"; less than 0.01 is what JMH itself allocates.");
            })
        .stream()
        .toList();
  }

  /** {@return how far the run is: which group is next, and how long all that are left will take} */
  private String left(List<Group> chosen, int next) {
    int seconds = chosen.stream().skip(next).mapToInt(each -> each.seconds(quick)).sum();
    return "[%d/%d] %s; %s left"
        .formatted(
            next + 1,
            chosen.size(),
            chosen.get(next).name(),
            seconds < 60 ? "less than a minute" : "about " + (seconds / 60 + 1) + " minutes");
  }

  private static String causes(Throwable failure) {
    List<String> causes = new ArrayList<>();
    for (Throwable each = failure; each != null; each = each.getCause()) {
      causes.add(String.valueOf(each.getMessage()));
    }
    return String.join("; ", causes);
  }
}
