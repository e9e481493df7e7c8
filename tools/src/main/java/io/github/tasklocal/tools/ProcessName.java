// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a process is called where several are shown together: nearly every JVM's comm is "java". */
final class ProcessName {

  /**
   * The options of the {@code java} command whose value may be the next argument (its manual page;
   * {@code IsWhiteSpaceOption} of the JDK's launcher).
   */
  private static final Set<String> WITH_VALUE =
      Set.of(
          "-cp",
          "-classpath",
          "--class-path",
          "-p",
          "--module-path",
          "--upgrade-module-path",
          "--add-modules",
          "--limit-modules",
          "--add-exports",
          "--add-opens",
          "--add-reads",
          "--patch-module",
          "--enable-native-access",
          "--source",
          "-d",
          "--describe-module");

  private ProcessName() {}

  /**
   * {@return what a process runs: of a JVM, as {@code jps} does, the name of its main class or jar;
   * of another process its comm}
   *
   * @param pid its id in the {@code /proc} of this process
   * @param otherwise its name if it has ended
   */
  static String of(int pid, String otherwise) {
    Path process = Path.of("/proc", String.valueOf(pid));
    try {
      String line = text(process.resolve("cmdline"));
      String main = ofCommand(List.of(line.split("\0", -1)));
      return Output.printable(main != null ? main : text(process.resolve("comm")).strip());
    } catch (IOException e) {
      return Output.printable(otherwise);
    }
  }

  private static String text(Path file) throws IOException {
    return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
  }

  /**
   * {@return what a command line of {@code java} runs; null if it is another program's, or does not
   * say}
   */
  static @Nullable String ofCommand(List<String> command) {
    if (!lastOf(command.getFirst(), '/').equals("java")) {
      return null;
    }
    for (int i = 1; i < command.size(); i++) {
      String word = command.get(i);
      String next = i + 1 < command.size() ? command.get(i + 1) : "";
      if (word.equals("-jar")) {
        return known(lastOf(next, '/'));
      } else if (word.equals("-m") || word.equals("--module")) {
        return known(ofModule(next));
      } else if (word.startsWith("--module=")) {
        return known(ofModule(lastOf(word, '=')));
      } else if (WITH_VALUE.contains(word)) {
        i++;
      } else if (!word.startsWith("-") && !word.startsWith("@")) {
        // A class, or a source file with its folder.
        return known(word.endsWith(".java") ? lastOf(word, '/') : lastOf(word, '.'));
      }
    }
    return null; // in a file of arguments
  }

  /** {@return the name of a class, of {@code MODULE/CLASS}; of the module if there is no class} */
  private static String ofModule(String main) {
    return main.contains("/") ? lastOf(lastOf(main, '/'), '.') : main;
  }

  private static String lastOf(String text, char separator) {
    return text.substring(text.lastIndexOf(separator) + 1);
  }

  private static @Nullable String known(String name) {
    return name.isEmpty() ? null : name;
  }
}
