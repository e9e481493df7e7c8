// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Folders;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.kit.report.Arguments;
import io.github.tasklocal.kit.report.Progress;
import io.github.tasklocal.kit.report.RunOptions;
import io.github.tasklocal.selftest.Environment;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

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
          VirtualStorm.row(),
          VirtualMillion.row(),
          Limits.row(),
          ServeKilled.row(false),
          ServeKilled.row(true),
          ServedKilled.row(false),
          ServedKilled.row(true),
          ManyServed.row());

  @Mixin private RunOptions options = new RunOptions();

  @Option(names = "--quick", description = "Use smaller numbers; takes about four minutes.")
  private boolean quick;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "The seed of the random numbers (default: a random one); the output names it.")
  private @Nullable Long seed;

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
    List<SoakRow> rows = options.chosen("row", ROWS, SoakRow::name);
    if (options.list()) {
      rows.forEach(row -> System.out.printf("%-15s %s%n", row.name(), row.title()));
      return 0;
    }
    Path json = options.json();
    Map<Need, String> unmet = Need.unmet(Need.KERNEL);
    if (!unmet.isEmpty()) {
      System.err.println("nothing can be measured here: " + String.join("; ", unmet.values()));
      return 1;
    }
    return run(rows, json) ? 0 : 1;
  }

  private boolean run(List<SoakRow> rows, @Nullable Path json)
      throws IOException, InterruptedException {
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
