// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Starts the JVM of a row, and is that JVM's main class. */
final class RowProcess {

  /** Enough for the longest row of a full run. */
  private static final Duration LIMIT = Duration.ofMinutes(10);

  private RowProcess() {}

  /**
   * How a row ended.
   *
   * @param row the row
   * @param figures what it has measured
   * @param problem why it did not come to its end; empty if it did
   * @param output what else it said
   * @param nanos how long it took
   */
  record Result(SoakRow row, List<Figure> figures, String problem, String output, long nanos) {

    /** {@return whether it came to its end with some figures, all of which passed} */
    boolean passed() {
      return problem.isEmpty() && !figures.isEmpty() && figures.stream().allMatch(Figure::passed);
    }
  }

  /** Runs a row and reads what it reports. */
  static Result run(SoakRow row, SoakRun.Settings settings, Bpffs bpffs, Consumer<String> progress)
      throws IOException, InterruptedException {
    long start = System.nanoTime();
    List<String> options = new ArrayList<>(row.options());
    // By default the file is written into the working directory.
    options.add("-XX:ErrorFile=" + System.getProperty("java.io.tmpdir") + "/hs_err_pid%p.log");
    Process process =
        Jvm.start(
            Jvm.command(
                options,
                Jvm.join(Jvm.classPath()),
                RowProcess.class,
                row.name(),
                bpffs.folder().toString(),
                Boolean.toString(settings.quick()),
                Long.toString(settings.seed())));
    List<Figure> figures = new ArrayList<>();
    List<String> rest = new ArrayList<>();
    String problem = "";
    try (Jvm.Deadline deadline = new Jvm.Deadline(process, LIMIT);
        BufferedReader output = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = output.readLine(); line != null; line = output.readLine()) {
        if (line.startsWith(SoakRun.PROGRESS)) {
          progress.accept(line.substring(SoakRun.PROGRESS.length()));
        } else if (line.startsWith(SoakRun.FIGURE)) {
          figures.add(Figure.parse(line.substring(SoakRun.FIGURE.length())));
        } else {
          rest.add(line);
        }
      }
      int status = process.waitFor();
      if (status != 0) {
        problem = deadline.killed() ? deadline.late() : "its JVM ended with status " + status;
      }
    } finally {
      process.destroyForcibly();
    }
    long nanos = System.nanoTime() - start;
    return new Result(row, figures, problem, String.join("\n", rest), nanos);
  }

  /**
   * Measures; what a row throws ends the JVM with status 1.
   *
   * @param args as {@link #run} passes them
   */
  public static void main(String[] args) throws Exception {
    SoakRow row =
        Soak.ROWS.stream().filter(each -> each.name().equals(args[0])).findFirst().orElseThrow();
    var settings = new SoakRun.Settings(Boolean.parseBoolean(args[2]), Long.parseLong(args[3]));
    try (Bpffs bpffs = new Bpffs(Path.of(args[1]));
        SoakRun run = new SoakRun(settings, bpffs)) {
      row.body().measure(run);
    }
    System.exit(0);
  }
}
