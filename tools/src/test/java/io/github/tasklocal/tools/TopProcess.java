// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import com.grack.nanojson.JsonParserException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Patience;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** A command in a process of its own, until it is told to end by a signal, or this is closed. */
final class TopProcess implements AutoCloseable {

  /** A process that a shell started in the background ignores Ctrl-C, and so do its children. */
  private static final List<String> INTERRUPTIBLE = List.of("env", "--default-signal=INT");

  private final Process process;
  private final BufferedReader out;
  private final List<String> lines = new ArrayList<>();

  /** Starts the command. */
  TopProcess(Object... arguments) throws IOException {
    this(List.of(), arguments);
  }

  /** Starts it behind another one, such as nsenter. */
  TopProcess(List<String> before, Object... arguments) throws IOException {
    List<String> command = new ArrayList<>(before);
    command.addAll(INTERRUPTIBLE);
    command.addAll(
        Jvm.command(Jvm.shortLived(), Jvm.join(Jvm.classPath()), Tools.class, strings(arguments)));
    process = Jvm.start(command);
    out = process.inputReader(StandardCharsets.UTF_8);
  }

  /** {@return the command line of a command that reads what is typed} */
  static List<String> command(Object... arguments) {
    List<String> command = new ArrayList<>(INTERRUPTIBLE);
    command.addAll(
        Jvm.reading(Jvm.shortLived(), Jvm.join(Jvm.classPath()), Tools.class, strings(arguments)));
    return command;
  }

  private static String[] strings(Object... arguments) {
    return Stream.of(arguments).map(Object::toString).toArray(String[]::new);
  }

  /** Waits for the next line. */
  void line() throws IOException {
    awaitLine("its next line", line -> true);
  }

  /**
   * Waits for a line.
   *
   * @param what what is waited for, in words
   */
  void awaitLine(String what, Predicate<String> right) throws IOException {
    try (Jvm.Deadline deadline = new Jvm.Deadline(process, Patience.WAIT)) {
      String line;
      do {
        line = out.readLine();
        if (line == null) {
          throw new AssertionError(
              "it %s; waited for %s; its last lines: %s"
                  .formatted(
                      deadline.killed() ? "was " + deadline.late() : "has ended", what, last()));
        }
        lines.add(line);
      } while (!right.test(line));
    }
  }

  private List<String> last() {
    return lines.subList(Math.max(0, lines.size() - 3), lines.size());
  }

  /** Waits for a line that is an object of JSON. */
  void awaitJson(String what, Predicate<JsonObject> right) throws IOException {
    awaitLine(what, line -> right.test(parse(line)));
  }

  /** Ends it as Ctrl-C does, or otherwise, and {@return all it has printed} */
  List<String> end(String signal) throws IOException, InterruptedException {
    signal(signal);
    try {
      return rest();
    } catch (AssertionError e) {
      throw new AssertionError("after SIG" + signal, e);
    }
  }

  /** Waits until it ends by itself, and {@return all it has printed} */
  List<String> rest() throws IOException, InterruptedException {
    try (Jvm.Deadline deadline = new Jvm.Deadline(process, Patience.WAIT)) {
      for (String line = out.readLine(); line != null; line = out.readLine()) {
        lines.add(line);
      }
      process.waitFor();
      if (deadline.killed()) {
        throw new AssertionError("it was " + deadline.late() + ": " + last());
      }
    }
    return lines;
  }

  /** Reads no more, and {@return the exit status} */
  int leave() throws IOException {
    out.close();
    Await.until("the end of what nobody reads", () -> !process.isAlive());
    return process.exitValue();
  }

  /** {@return its id} */
  long pid() {
    return process.pid();
  }

  boolean isAlive() {
    return process.isAlive();
  }

  void signal(String signal) throws IOException {
    if (Jvm.run(List.of("kill", "-" + signal, "" + process.pid())).exit() != 0) {
      throw new AssertionError("it has ended before: " + lines + out.lines().toList());
    }
  }

  /** {@return the figures of all intervals that top has printed, summed, by the value's text} */
  Map<String, Map<String, Long>> sums() throws Exception {
    Map<String, Map<String, Long>> sums = new TreeMap<>();
    for (String line : end("INT")) {
      for (Object each : parse(line).getArray("rows")) {
        JsonObject row = (JsonObject) each;
        Map<String, Long> sum =
            sums.computeIfAbsent(row.getString("text"), text -> new TreeMap<>());
        for (String figure : row.keySet()) {
          if (row.get(figure) instanceof Number && !figure.equals("value")) {
            sum.merge(figure, row.getLong(figure), Long::sum);
          }
        }
      }
    }
    return sums;
  }

  static JsonObject parse(String line) {
    try {
      return JsonParser.object().from(line);
    } catch (JsonParserException e) {
      throw new AssertionError(line, e);
    }
  }

  @Override
  public void close() {
    Jvm.kill(process); // profile may have asked it for its code
  }
}
