// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.report.JsonReport;
import io.github.tasklocal.kit.report.Progress;
import io.github.tasklocal.selftest.Result.Outcome;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reports the tests in TAP (the Test Anything Protocol, version 14), and keeps the results for
 * JSON.
 */
final class Report {

  private final PrintStream out;
  private final boolean verbose;

  private final Progress progress;
  private final List<Result> results = new ArrayList<>();

  Report(PrintStream out, Progress progress, boolean verbose) {
    this.out = out;
    this.progress = progress;
    this.verbose = verbose;
  }

  void start(int tests, Map<String, String> machine, Fixture.Settings settings) {
    out.println("TAP version 14");
    out.println("1.." + tests);
    machine.forEach((name, value) -> out.println("# " + name + ": " + value));
    out.println("# threads: " + settings.threads() + ", seed: " + settings.seed());
  }

  void begin(TestCase test, int tests) {
    progress.show("[" + (results.size() + 1) + "/" + tests + "] " + test.title());
  }

  void end(Result result) {
    results.add(result);
    progress.clear();
    String line = results.size() + " - " + result.test().title();
    switch (result.outcome()) {
      case PASSED -> out.println("ok " + line + time(result));
      case SKIPPED -> out.println("ok " + line + " # SKIP " + result.message());
      case FAILED -> {
        out.println("not ok " + line + time(result));
        diagnose(result);
      }
    }
    out.flush();
  }

  /** Prints what the library logs, at once, if the report is verbose. */
  synchronized void log(String text) {
    if (verbose) {
      text.lines().forEach(line -> out.println("# " + line));
    }
  }

  private static String time(Result result) {
    return " # " + Math.round(result.nanos() / 1e6) + " ms";
  }

  private void diagnose(Result result) {
    out.println("  ---");
    block("message", result.message());
    if (result.failure() != null) {
      if (verbose) {
        StringWriter stack = new StringWriter();
        result.failure().printStackTrace(new PrintWriter(stack));
        block("stack", stack.toString());
      } else {
        for (StackTraceElement frame : result.failure().getStackTrace()) {
          // The frame in Check tells less than the line that called it.
          if (frame.getClassName().startsWith(Report.class.getPackageName())
              && !frame.getClassName().equals(Check.class.getName())) {
            block("at", frame.toString());
            break;
          }
        }
      }
    }
    if (!result.log().isBlank()) {
      block("log", result.log());
    }
    out.println("  ...");
  }

  private void block(String key, String text) {
    out.println("  " + key + ": |");
    text.stripTrailing().lines().forEach(line -> out.println("    " + line));
  }

  /** Prints the summary, and returns whether nothing failed. */
  boolean finish() {
    Map<String, Integer> reasons = new TreeMap<>();
    for (Result result : results) {
      if (result.outcome() == Outcome.SKIPPED) {
        int ignored = reasons.merge(result.message(), 1, Integer::sum);
      }
    }
    reasons.forEach(
        (reason, tests) ->
            out.println("# " + tests + (tests == 1 ? " test" : " tests") + " skipped: " + reason));
    out.println(
        "%d passed, %d failed, %d skipped"
            .formatted(count(Outcome.PASSED), count(Outcome.FAILED), count(Outcome.SKIPPED)));
    out.flush();
    return count(Outcome.FAILED) == 0;
  }

  private long count(Outcome outcome) {
    return results.stream().filter(result -> result.outcome() == outcome).count();
  }

  /** Writes the results into a file, as JSON. */
  void write(Path file, Map<String, String> machine, Fixture.Settings settings) throws IOException {
    JsonArray tests = new JsonArray();
    for (Result result : results) {
      JsonObject test = new JsonObject();
      test.put("name", result.test().name());
      test.put("wire", result.test().wire() == null ? null : String.valueOf(result.test().wire()));
      JsonArray needs = new JsonArray();
      result.test().needs().stream().sorted().forEach(need -> needs.add(need.name()));
      test.put("needs", needs);
      test.put("outcome", result.outcome().name().toLowerCase(Locale.ROOT));
      test.put("nanoseconds", result.nanos());
      test.put("message", result.message());
      tests.add(test);
    }
    new JsonReport(machine)
        .environment("threads", settings.threads())
        .environment("seed", settings.seed())
        .put("passed", count(Outcome.PASSED))
        .put("failed", count(Outcome.FAILED))
        .put("skipped", count(Outcome.SKIPPED))
        .put("tests", tests)
        .write(file);
  }
}
