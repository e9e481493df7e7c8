// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.kit.Jvm;
import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** JVMs that run classes of the tests with the library on the class path. */
public final class Children {

  private Children() {}

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
    return home(TaskLocal.class) + File.pathSeparator + home(ChildSteps.class);
  }

  /** {@return the same class path, copied to where every user may read it} */
  public static String classPathForAll(Path folder) throws IOException {
    List<String> copies = new ArrayList<>();
    for (Path from : List.of(home(TaskLocal.class), home(ChildSteps.class))) {
      Path to = folder.resolve("classes" + copies.size());
      try (Stream<Path> files = Files.walk(from)) {
        for (Path file : (Iterable<Path>) files::iterator) {
          Files.copy(file, to.resolve(from.relativize(file).toString()));
        }
      }
      copies.add(to.toString());
    }
    Jvm.Result opened = Jvm.run(List.of("chmod", "-R", "a+rX", folder.toString()));
    if (opened.exit() != 0) {
      throw new AssertionError(opened.output());
    }
    return String.join(File.pathSeparator, copies);
  }

  /** Runs {@link ChildSteps} with the library on the class path. */
  public static Jvm.Result child(String... arguments) {
    return Jvm.run(childCommand(classPath(), arguments));
  }

  /** Runs {@link ChildSteps} with an environment variable, as {@code NAME=VALUE}. */
  public static Jvm.Result childWith(String variable, String... arguments) {
    List<String> command = new ArrayList<>(List.of("env", variable));
    command.addAll(childCommand(classPath(), arguments));
    return Jvm.run(command);
  }

  /** Runs the rest of a command as the user nobody, who has no capability. */
  static final List<String> NOBODY =
      List.of("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all");

  /** Runs {@link ChildSteps} as the user nobody, who has no capability. */
  public static Jvm.Result childAsNobody(String classPath, String... arguments) {
    return childBy(NOBODY, classPath, arguments);
  }

  /** Runs {@link ChildSteps} by a command that changes what it may do, such as setpriv. */
  public static Jvm.Result childBy(List<String> changing, String classPath, String... arguments) {
    List<String> command = new ArrayList<>(changing);
    command.addAll(childCommand(classPath, arguments));
    return Jvm.run(command);
  }

  /** {@return the command that runs {@link ChildSteps}} */
  public static List<String> childCommand(String classPath, String... arguments) {
    return Jvm.command(List.of(), classPath, ChildSteps.class, arguments);
  }

  /** {@return the command that runs another class of the tests, with options of its own} */
  public static List<String> mainCommand(Class<?> main, List<String> options, String... arguments) {
    return Jvm.command(options, classPath(), main, arguments);
  }

  /** {@return the same for a class that reads its standard input, and ends when that ends} */
  public static List<String> readingCommand(
      Class<?> main, List<String> options, String... arguments) {
    return Jvm.reading(options, classPath(), main, arguments);
  }
}
