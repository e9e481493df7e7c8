// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Seccomp;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** A process that runs {@link ServedChild} as a user without privileges, until this is closed. */
final class ServedApp implements AutoCloseable {

  private final Process process;
  private final Jvm.Deadline deadline;
  private final Writer in;
  private final BufferedReader out;

  /**
   * Starts it.
   *
   * @param folder for copies of its classes; every user may read it
   * @param options of java
   */
  ServedApp(Path folder, String... options) throws IOException {
    this(folder, ServeClient.NOBODY, options);
  }

  /** Starts it behind another command, which has to make it a user without privileges. */
  ServedApp(Path folder, List<String> before, String... options) throws IOException {
    List<String> command = new ArrayList<>(before);
    command.addAll(Jvm.reading(List.of(options), classPath(folder), ServedChild.class));
    process =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    deadline = new Jvm.Deadline(process);
    in = process.outputWriter(StandardCharsets.UTF_8);
    out = process.inputReader(StandardCharsets.UTF_8);
    if (!"ready".equals(out.readLine())) {
      close();
      throw new AssertionError("the child is not ready");
    }
  }

  /**
   * Starts it in a pid namespace of its own, where it may not call what container engines refuse by
   * default.
   */
  static ServedApp contained(Path folder, String... options) throws IOException {
    List<String> changing =
        new ArrayList<>(
            List.of(
                "setpriv",
                "--no-new-privs",
                "unshare",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc"));
    changing.addAll(ServeClient.NOBODY);
    ServedApp app = new ServedApp(folder, changing, options);
    for (String call : List.of("bpf", "userfaultfd", "perf_event_open")) {
      String ignored = app.ask("refuse", call);
    }
    return app;
  }

  private static String classPath(Path folder) throws IOException {
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
    List<String> copies = new ArrayList<>();
    for (Class<?> each : List.of(TaskLocal.class, Seccomp.class, ServedChild.class)) {
      Path from = Path.of(each.getProtectionDomain().getCodeSource().getLocation().getPath());
      Path to = folder.resolve(each.getSimpleName() + (Files.isDirectory(from) ? "" : ".jar"));
      if (!Files.exists(to)) {
        copy(from, to);
      }
      copies.add(to.toString());
    }
    String ignored = Jvm.output(List.of("chmod", "-R", "a+rX", folder.toString()));
    return String.join(File.pathSeparator, copies);
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.copy(file, to.resolve(from.relativize(file).toString()));
      }
    }
  }

  /** Has it do something, and {@return its answer} */
  String ask(Object... words) throws IOException {
    List<String> texts = Stream.of(words).map(Object::toString).toList();
    in.write(String.join(" ", texts) + "\n");
    in.flush();
    String answer = out.readLine();
    if (answer == null) {
      throw new AssertionError(
          texts + ": the child " + (deadline.killed() ? "was " + deadline.late() : "has ended"));
    }
    return answer;
  }

  /** Waits until its state says something. */
  void await(String what) {
    String ignored = Await.until("the state " + what, this::state, state -> state.contains(what));
  }

  private String state() {
    try {
      return ask("state");
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  void signal(String name) {
    String ignored = Jvm.output(List.of("kill", "-" + name, Long.toString(process.pid())));
  }

  Process process() {
    return process;
  }

  @Override
  public void close() throws IOException {
    process.getOutputStream().close();
    process.onExit().join();
    deadline.close();
  }
}
