// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import com.grack.nanojson.JsonParserException;
import io.github.tasklocal.selftest.Result.Outcome;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The results of the selftest on several kernels, side by side: what scripts/test-kernels prints. A
 * skip counts as a failure where the kernel has what the test needs.
 */
final class Matrix {

  private static final String MACHINE = "The virtual machine starts, and runs the tests to the end";

  /** A line of the Test Anything Protocol. */
  private static final Pattern CHECK =
      Pattern.compile("(?<not>(not )?)ok \\d+ - (?<name>.*?)( # \\d+ ms)?");

  /** What runs beside the selftest, with the name of each in the table. */
  private static final Map<String, String> SCRIPTS =
      new TreeMap<>(
          Map.of(
              "served", "scripts/test-served",
              "sched", "scripts/test-sched",
              "packed", "The selftest where threads share pages"));

  /** What happened to a test on a kernel. */
  private record Entry(String name, String title, Outcome outcome, String message) {}

  /**
   * A kernel.
   *
   * @param about the kernel, libbpf and so on, by name
   * @param entries what happened to the tests
   */
  private record Column(Map<String, String> about, List<Entry> entries) {

    long count(Outcome outcome) {
      return entries.stream().filter(entry -> entry.outcome() == outcome).count();
    }

    /** {@return how the tests of a name ended, on all wires} */
    String cell(String name) {
      Map<Outcome, Long> ends =
          entries.stream()
              .filter(entry -> entry.name().equals(name))
              .collect(Collectors.groupingBy(Entry::outcome, Collectors.counting()));
      return ends.size() == 1
          ? word(ends.keySet().iterator().next())
          : ends.entrySet().stream()
              .sorted(Map.Entry.comparingByKey())
              .map(end -> end.getValue() + " " + word(end.getKey()))
              .collect(Collectors.joining(", "));
    }

    private static String word(Outcome outcome) {
      return switch (outcome) {
        case PASSED -> "ok";
        case SKIPPED -> "skipped";
        case FAILED -> "FAILED";
      };
    }
  }

  private final List<Column> columns = new ArrayList<>();

  private Matrix() {}

  /**
   * Prints the table, and exits with 1 if anything failed.
   *
   * @param args a folder for each kernel, with its {@code run.properties} and {@code selftest.json}
   */
  public static void main(String[] args) throws IOException {
    Matrix matrix = of(Stream.of(args).map(Path::of).toList());
    System.out.print(matrix.text());
    System.exit(matrix.count(Outcome.FAILED) == 0 ? 0 : 1);
  }

  /** {@return the matrix of the runs whose files are in these folders} */
  static Matrix of(List<Path> folders) throws IOException {
    Matrix matrix = new Matrix();
    for (Path folder : folders) {
      matrix.columns.add(column(folder));
    }
    return matrix;
  }

  private static Column column(Path folder) throws IOException {
    Properties run = new Properties();
    try (Reader reader = Files.newBufferedReader(folder.resolve("run.properties"))) {
      run.load(reader);
    }
    String status = run.getProperty("status", "unknown");
    Map<String, String> about = new LinkedHashMap<>();
    about.put("kernel", run.getProperty("kernel", "?").replaceFirst("-.*", ""));
    JsonObject environment = new JsonObject();
    List<Entry> entries = new ArrayList<>();
    String problem = "";
    try (Reader json = Files.newBufferedReader(folder.resolve("selftest.json"))) {
      JsonObject report = JsonParser.object().from(json);
      environment = report.getObject("environment");
      Set<String> lacking = Set.of(run.getProperty("lacking", "").split(" "));
      report.getArray("tests").stream()
          .map(JsonObject.class::cast)
          .forEach(test -> entries.add(entry(test, lacking)));
      boolean failed = entries.stream().anyMatch(entry -> entry.outcome() == Outcome.FAILED);
      // With failures, status 0 is fine too: to the selftest, a skip that counts as one here is
      // none.
      if (!status.equals("0") && !(failed && status.equals("1"))) {
        problem = "it ended with status " + status + " after the selftest";
      }
    } catch (IOException | JsonParserException e) {
      problem = "it ended with status " + status + " before the selftest did";
    }
    about.put("libbpf", environment.getString("libbpf", "?").replaceFirst("^v", ""));
    about.put("JDK", environment.getString("jdk", "?").replaceFirst("[+,].*", ""));
    about.put("starts of the machine", run.getProperty("starts", "?"));
    about.put("seconds", run.getProperty("seconds", "?"));
    entries.addFirst(entry(MACHINE, problem.isEmpty(), problem + lastWords(folder.resolve("log"))));
    for (String script : SCRIPTS.keySet()) {
      entries.addAll(checks(script, folder.resolve(script + ".log"), run.getProperty(script)));
    }
    return new Column(about, entries);
  }

  /** {@return the last line of a run's log without the quoted console, and where to read more} */
  private static String lastWords(Path log) throws IOException {
    String last =
        Files.exists(log)
            ? Files.readAllLines(log).stream()
                .filter(line -> !line.isBlank() && !line.startsWith("  | "))
                .reduce("", (before, line) -> line)
            : "";
    return (last.isEmpty() ? "" : ", saying \"%s\"".formatted(last)) + ": see " + log;
  }

  /** {@return what a script says, if it was run, a line for each check} */
  private static List<Entry> checks(String script, Path log, @Nullable String status)
      throws IOException {
    List<Entry> entries = new ArrayList<>();
    if (status != null) {
      for (String line : Files.readAllLines(log)) {
        Matcher check = CHECK.matcher(line);
        if (check.matches()) {
          String name = script + ": " + check.group("name");
          entries.add(entry(name, check.group("not").isEmpty(), "see " + log));
        }
      }
      boolean failed = entries.stream().anyMatch(each -> each.outcome() == Outcome.FAILED);
      String problem = "it ended with status " + status + ": see " + log;
      String name = SCRIPTS.get(script) + " runs to its end";
      entries.add(entry(name, status.equals(failed ? "1" : "0"), problem));
    }
    return entries;
  }

  private static Entry entry(String name, boolean passed, String problem) {
    return passed
        ? new Entry(name, name, Outcome.PASSED, "")
        : new Entry(name, name, Outcome.FAILED, problem);
  }

  private static Entry entry(JsonObject test, Set<String> lacking) {
    String name = test.getString("name");
    String wire = test.getString("wire");
    Outcome outcome = Outcome.valueOf(test.getString("outcome").toUpperCase(Locale.ROOT));
    String message = test.getString("message");
    JsonArray needs = test.getArray("needs");
    if (outcome == Outcome.SKIPPED && Collections.disjoint(needs, lacking)) {
      outcome = Outcome.FAILED;
      message = "skipped, although this kernel has all that it needs: " + message;
    }
    return new Entry(name, wire == null ? name : name + ", wire " + wire, outcome, message);
  }

  long count(Outcome outcome) {
    return columns.stream().mapToLong(column -> column.count(outcome)).sum();
  }

  /** {@return the table, what failed and what was skipped, and the sum in the last line} */
  String text() {
    StringBuilder text = new StringBuilder();
    table().forEach(line -> text.append(line).append('\n'));
    list(text, Outcome.FAILED, "Failed", entry -> entry.title() + ": " + entry.message());
    list(text, Outcome.SKIPPED, "Skipped", Entry::message);
    return text.append(
            "%n%d passed, %d failed, %d skipped%n"
                .formatted(count(Outcome.PASSED), count(Outcome.FAILED), count(Outcome.SKIPPED)))
        .toString();
  }

  private List<String> table() {
    List<List<String>> rows = new ArrayList<>();
    for (String name : columns.getFirst().about().keySet()) {
      rows.add(row(name, column -> column.about().getOrDefault(name, "")));
    }
    Set<String> names = new LinkedHashSet<>();
    columns.forEach(column -> column.entries().forEach(entry -> names.add(entry.name())));
    for (String name : names) {
      rows.add(row(name, column -> column.cell(name)));
    }
    for (Outcome outcome : Outcome.values()) {
      rows.add(
          row(
              "**" + outcome.name().toLowerCase(Locale.ROOT) + "**",
              column -> Long.toString(column.count(outcome))));
    }
    int[] widths = new int[columns.size() + 1];
    rows.forEach(
        row -> Arrays.setAll(widths, column -> Math.max(widths[column], row.get(column).length())));
    List<String> lines = new ArrayList<>(rows.stream().map(row -> line(row, widths)).toList());
    lines.add(
        1,
        Arrays.stream(widths).mapToObj("-"::repeat).collect(Collectors.joining(" | ", "| ", " |")));
    return lines;
  }

  private List<String> row(String name, Function<Column, String> cell) {
    return Stream.concat(Stream.of(name), columns.stream().map(cell)).toList();
  }

  private static String line(List<String> row, int[] widths) {
    StringBuilder line = new StringBuilder("|");
    for (int i = 0; i < widths.length; i++) {
      line.append((" %-" + widths[i] + "s |").formatted(row.get(i)));
    }
    return line.toString();
  }

  /** Lists each message once for a kernel, with the number of tests that have it. */
  private void list(
      StringBuilder text, Outcome outcome, String heading, Function<Entry, String> words) {
    if (count(outcome) == 0) {
      return;
    }
    text.append('\n').append(heading).append(":\n\n");
    for (Column column : columns) {
      Map<String, Long> said =
          column.entries().stream()
              .filter(entry -> entry.outcome() == outcome)
              .collect(Collectors.groupingBy(words, LinkedHashMap::new, Collectors.counting()));
      said.forEach(
          (message, tests) ->
              text.append("- ")
                  .append(column.about().get("kernel"))
                  .append(tests == 1 ? ": " : ", " + tests + " tests: ")
                  .append(message.strip().indent(2).strip())
                  .append('\n'));
    }
  }
}
