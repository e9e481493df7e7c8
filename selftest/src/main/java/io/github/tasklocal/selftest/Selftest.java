// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Folders;
import io.github.tasklocal.kit.report.Arguments;
import io.github.tasklocal.kit.report.Progress;
import io.github.tasklocal.kit.report.RunOptions;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command. */
@Command(
    name = "java -jar tasklocal-selftest.jar",
    mixinStandardHelpOptions = true,
    versionProvider = Selftest.Version.class,
    description = {
      "Shows on this machine's kernel that Java threads and BPF programs exchange values.",
      ""
    },
    footer = {
      "",
      "BPF needs root, kernel 6.13 or newer and its BTF; from 5.15 on, a serving side whose socket"
          + " TASKLOCAL_SOCKET names. What cannot run without them is skipped, and the last lines"
          + " say why.",
      "Exit status: 0 if nothing failed, 1 if something did, 2 for a bad option."
    })
final class Selftest implements Callable<Integer> {

  @Spec private @Nullable CommandSpec spec;

  @Mixin private RunOptions options = new RunOptions();

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "32",
      description = "How many threads the tests of many threads use (default: ${DEFAULT-VALUE}).")
  private int threads;

  @Option(
      names = "--wire",
      paramLabel = "a|b|c",
      description = "Run the tests of this wire; may be given several times.")
  private List<Wire> wires = new ArrayList<>();

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "The seed of the random numbers (default: a random one); the report names it.")
  private @Nullable Long seed;

  @Option(
      names = "--verbose",
      description = "Print stack traces, and what libbpf and the verifier say.")
  private boolean verbose;

  private Selftest() {}

  /**
   * Runs the command and exits.
   *
   * @param args the options
   */
  public static void main(String[] args) {
    System.exit(Arguments.commandLine(new Selftest()).execute(args));
  }

  /** The version of the jar. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = Selftest.class.getPackage().getImplementationVersion();
      return new String[] {
        "tasklocal-selftest " + (version == null ? "(not from a jar)" : version)
      };
    }
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (threads < 1 || threads > 1024) {
      throw Arguments.bad(spec, "--threads is " + threads + ": use 1 to 1024");
    }
    List<TestCase> tests = chosen();
    if (options.list()) {
      tests.forEach(test -> System.out.println(test.title()));
      return 0;
    }
    Path json = options.json();
    return run(tests, json) ? 0 : 1;
  }

  private List<TestCase> chosen() {
    List<TestCase> tests =
        Suite.all().stream()
            .filter(test -> wires.isEmpty() || (test.wire() != null && wires.contains(test.wire())))
            .toList();
    return options.chosen(
        wires.isEmpty() ? "test" : "test of --wire " + wires, tests, TestCase::title);
  }

  private boolean run(List<TestCase> tests, @Nullable Path json)
      throws IOException, InterruptedException {
    var settings = new Fixture.Settings(threads, seed == null ? new Random().nextInt() : seed);
    Map<String, String> machine = Environment.description();
    Report report = new Report(System.out, new Progress(System.err), verbose);
    report.start(tests.size(), machine, settings);
    LibraryLog log = LibraryLog.install(verbose, report::log);
    Folders.sweep();
    try (Bpffs bpffs = new Bpffs("rwxr-xr-x")) { // so that the user nobody can reach the pins
      Runner runner = new Runner(settings, bpffs, log, Environment.unmet());
      for (TestCase test : tests) {
        report.begin(test, tests.size());
        report.end(runner.run(test));
      }
    }
    if (json != null) {
      report.write(json, machine, settings);
    }
    return report.finish();
  }
}
