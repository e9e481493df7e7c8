// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Folders;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.kit.report.Arguments;
import io.github.tasklocal.kit.report.Progress;
import io.github.tasklocal.selftest.Environment;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command. */
@Command(
    name = "soak",
    mixinStandardHelpOptions = true,
    description = {
      "Measures on this machine's kernel that nothing leaks and nothing is lost while threads, maps"
          + " and processes come and go.",
      ""
    },
    footer = {
      "",
      "Needs root, kernel 6.13 or newer and its BTF.",
      "Exit status: 0 if nothing failed, 1 if something did, 2 for a bad option."
    })
final class Soak implements Callable<Integer> {

  static final List<SoakRow> ROWS =
      List.of(
          ShortThreads.row(),
          ManyThreads.row(),
          OpenClose.row(),
          OwnerKilled.row(),
          AllWires.row(),
          KeyMakers.row(),
          Limits.row());

  @Spec private @Nullable CommandSpec spec;

  @Option(names = "--quick", description = "Use smaller numbers; takes less than two minutes.")
  private boolean quick;

  @Option(names = "--list", description = "Print the names of the rows and run none.")
  private boolean list;

  @Option(
      names = "--filter",
      paramLabel = "GLOB",
      description = "Run the rows whose name matches; * and ? as in a shell.")
  private @Nullable String filter;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "The seed of the random numbers (default: a random one); the output names it.")
  private @Nullable Long seed;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Also write the table into a file, as JSON.")
  private @Nullable Path json;

  private Soak() {}

  /**
   * Runs the command and exits.
   *
   * @param args the options
   */
  public static void main(String[] args) {
    System.exit(Arguments.commandLine(new Soak()).execute(args));
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    List<SoakRow> rows =
        ROWS.stream().filter(row -> Arguments.glob(filter).matcher(row.name()).matches()).toList();
    if (rows.isEmpty()) {
      throw Arguments.bad(
          spec, "no row matches --filter " + filter + ": see --list, and use * for any text");
    }
    if (list) {
      rows.forEach(row -> System.out.printf("%-14s %s%n", row.name(), row.title()));
      return 0;
    }
    Arguments.requireWritable(spec, "--json", json);
    Map<Need, String> unmet = Need.unmet(Need.KERNEL);
    if (!unmet.isEmpty()) {
      System.err.println("nothing can be measured here: " + String.join("; ", unmet.values()));
      return 1;
    }
    return run(rows) ? 0 : 1;
  }

  private boolean run(List<SoakRow> rows) throws IOException, InterruptedException {
    var settings = new SoakRun.Settings(quick, seed == null ? new Random().nextInt() : seed);
    Map<String, String> machine = Environment.description();
    SoakTable table = new SoakTable(System.out, new Progress(System.err), rows.size());
    table.start(machine, settings);
    Folders.sweep();
    try (Bpffs bpffs = new Bpffs("rwx------")) {
      for (SoakRow row : rows) {
        table.progress(row, "starting");
        table.end(RowProcess.run(row, settings, bpffs, progress -> table.progress(row, progress)));
      }
    }
    if (json != null) {
      table.write(json, machine, settings);
    }
    return table.finish();
  }
}
