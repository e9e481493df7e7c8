// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** JVMs of their own, for what must not be disturbed by what ran before. */
final class Jvm {

  private Jvm() {}

  /**
   * Runs a class of this jar.
   *
   * @return the lines that it printed
   */
  static List<String> run(Class<?> main, List<String> options, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    process.getOutputStream().close();
    List<String> lines;
    try (var output = process.inputReader()) {
      lines = output.lines().toList();
    }
    int status = process.waitFor();
    if (status != 0) {
      throw new IllegalStateException(
          "the JVM of " + main.getSimpleName() + " ended with status " + status);
    }
    return lines;
  }
}
