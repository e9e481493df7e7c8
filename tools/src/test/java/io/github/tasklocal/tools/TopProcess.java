// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import com.grack.nanojson.JsonParserException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A command in a process of its own, until it is told to end by a signal. */
final class TopProcess {

  private final Process process;
  private final BufferedReader out;
  private final List<String> lines = new ArrayList<>();

  /** Starts one, and waits for its first line. */
  TopProcess(Object... arguments) throws IOException {
    this(null, arguments);
    lines.add(out.readLine());
  }

  /** Starts one, and waits for another sign of it. */
  TopProcess(@Nullable Callable<Boolean> started, Object... arguments) throws IOException {
    process = new ProcessBuilder(command(arguments)).redirectErrorStream(true).start();
    out = process.inputReader(StandardCharsets.UTF_8);
    try {
      while (started != null && !started.call()) {
        Thread.sleep(10);
      }
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  /** {@return the command line of a command} */
  static List<String> command(Object... arguments) {
    return java(Tools.class, arguments);
  }

  /** {@return the command line of a program with this one's class path} */
  static List<String> java(Class<?> main, Object... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                // What was started in the background of a shell ignores Ctrl-C, and so do its own.
                "env",
                "--default-signal=INT",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                main.getName()));
    for (Object argument : arguments) {
      command.add(argument.toString());
    }
    return command;
  }

  /** Ends it as Ctrl-C does, or otherwise, and {@return all it has printed} */
  List<String> end(String signal) throws IOException, InterruptedException {
    signal(signal);
    lines.addAll(out.lines().toList());
    process.waitFor();
    return lines;
  }

  /** Reads no more, and {@return the exit status} */
  int leave() throws IOException, InterruptedException {
    out.close();
    if (!process.waitFor(20, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new AssertionError("it goes on");
    }
    return process.exitValue();
  }

  void signal(String signal) throws IOException, InterruptedException {
    Process kill = new ProcessBuilder("kill", "-" + signal, "" + process.pid()).start();
    if (kill.waitFor() != 0) {
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

  private static JsonObject parse(String line) {
    try {
      return JsonParser.object().from(line);
    } catch (JsonParserException e) {
      throw new AssertionError(line, e);
    }
  }
}
