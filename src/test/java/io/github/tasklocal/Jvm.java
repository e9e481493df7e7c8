// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Java virtual machines of their own, started otherwise than this one. */
public final class Jvm {

  /**
   * How a process ended.
   *
   * @param exit its exit code
   * @param output what it printed, to both streams
   */
  public record Result(int exit, String output) {}

  private Jvm() {}

  /** {@return the java command of this runtime} */
  public static String java() {
    return tool("java");
  }

  /** {@return a command of this JDK} */
  public static String tool(String name) {
    return Path.of(System.getProperty("java.home"), "bin", name).toString();
  }

  /** {@return the jar or folder that a class was loaded from} */
  public static Path home(Class<?> type) {
    try {
      return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** {@return the class path of the library and the tests' own classes} */
  public static String classPath() {
    return home(TaskLocal.class) + File.pathSeparator + home(Child.class);
  }

  /** {@return the same, copied to where every user may read it} */
  public static String classPathForAll(Path folder) throws IOException {
    List<String> copies = new ArrayList<>();
    for (Path from : List.of(home(TaskLocal.class), home(Child.class))) {
      Path to = folder.resolve("classes" + copies.size());
      try (Stream<Path> files = Files.walk(from)) {
        for (Path file : (Iterable<Path>) files::iterator) {
          Files.copy(file, to.resolve(from.relativize(file).toString()));
        }
      }
      copies.add(to.toString());
    }
    Result opened = command(List.of("chmod", "-R", "a+rX", folder.toString()));
    if (opened.exit() != 0) {
      throw new AssertionError(opened.output());
    }
    return String.join(File.pathSeparator, copies);
  }

  /** Runs {@link Child} with the library on the class path, as it is meant to be run. */
  public static Result child(String... arguments) {
    return command(childCommand(classPath(), arguments));
  }

  /** Runs {@link Child} as the user nobody, who has no capability. */
  public static Result childAsNobody(String classPath, String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"));
    command.addAll(childCommand(classPath, arguments));
    return command(command);
  }

  /** {@return the command that runs {@link Child}} */
  public static List<String> childCommand(String classPath, String... arguments) {
    List<String> command =
        new ArrayList<>(List.of(java(), "--enable-native-access=ALL-UNNAMED", "-cp", classPath));
    command.add(Child.class.getName());
    command.addAll(List.of(arguments));
    return command;
  }

  /** {@return the command that runs another class of the tests, with options of its own} */
  public static List<String> mainCommand(Class<?> main, List<String> options, String... arguments) {
    List<String> command = new ArrayList<>(List.of(java(), "--enable-native-access=ALL-UNNAMED"));
    command.addAll(options);
    command.addAll(List.of("-cp", classPath(), main.getName()));
    command.addAll(List.of(arguments));
    return command;
  }

  /** Runs a command to its end. */
  public static Result command(List<String> command) {
    return command(command, Map.of());
  }

  /** Runs a command to its end, with more in its environment. */
  public static Result command(List<String> command, Map<String, String> environment) {
    try {
      ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
      builder.directory(new File("/"));
      builder.environment().putAll(environment);
      Process process = builder.start();
      process.getOutputStream().close();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (!process.waitFor(60, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new AssertionError(command + " does not end; it said: " + output);
      }
      return new Result(process.exitValue(), output);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
