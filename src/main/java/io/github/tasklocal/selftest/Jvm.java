// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Another JVM with the selftest's own class path. */
public final class Jvm {

  /** Options for a JVM that is done before they would pay. */
  public static final List<String> SHORT_LIVED =
      List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");

  private static final long LIMIT_SECONDS = 150;

  private Jvm() {}

  /** {@return the command that starts one; it asks for little, since it lives for a second} */
  static List<String> command(String classPath, Class<?> main, String... arguments) {
    return command(SHORT_LIVED, classPath, main, arguments);
  }

  /** {@return the command that starts one with this JVM's class path} */
  public static List<String> command(List<String> options, Class<?> main, String... arguments) {
    return command(options, join(classPath()), main, arguments);
  }

  private static List<String> command(
      List<String> options, String classPath, Class<?> main, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(options);
    command.add("-Dstdout.encoding=UTF-8");
    command.add("-Dstderr.encoding=UTF-8");
    command.add("-cp");
    command.add(classPath);
    command.add(main.getName());
    command.addAll(List.of(arguments));
    return command;
  }

  /** {@return what this JVM's classes came from, as paths that are good from any folder} */
  static List<Path> classPath() {
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
        .map(each -> Path.of(each).toAbsolutePath())
        .toList();
  }

  /** {@return paths in the form of a class path} */
  static String join(List<Path> paths) {
    return paths.stream().map(Path::toString).collect(Collectors.joining(File.pathSeparator));
  }

  /** Runs a test in a JVM of its own. */
  static void run(TestCase test, Fixture.Settings settings, Bpffs bpffs) throws Exception {
    boolean root = test.needs().contains(Need.ROOT);
    finish(
        start(
            command(
                join(classPath()),
                Child.class,
                test.title(),
                root ? bpffs.folder().toString() : "/none",
                Integer.toString(settings.threads()),
                Long.toString(settings.seed()))));
  }

  /** {@return a started process, its standard error with its output, for {@link #finish}} */
  public static Process start(List<String> command) throws IOException {
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .directory(new File("/")) // any user may be there
            .start();
    process.getOutputStream().close();
    return process;
  }

  /** {@return what a process printed, once it has ended as it should} */
  public static String finish(Process process) throws Exception {
    Thread killer =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  try {
                    if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
                      process.destroyForcibly();
                    }
                  } catch (InterruptedException e) {
                    process.destroyForcibly();
                  }
                });
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    killer.join();
    Check.that(
        status == 0,
        "the JVM started for this ended with status " + status + ":\n" + output.strip());
    return output;
  }
}
