// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.Jvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** {@code src/test/c/client.c}, a process that is served, as a user without privileges. */
final class ServeClient implements AutoCloseable {

  /** What starts it as nobody. */
  static final List<String> NOBODY = List.of(ToolsJar.NOBODY.split(" "));

  private final Process process;
  private final Jvm.Deadline deadline;
  private final Writer in;
  private final BufferedReader out;

  /**
   * Starts it.
   *
   * @param folder where it is compiled, if it is not there yet; every user may read it
   * @param before what stands before its command
   */
  ServeClient(Path folder, List<String> before) throws IOException {
    List<String> command = new ArrayList<>(before);
    command.add(compiled(folder).toString());
    process =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    deadline = new Jvm.Deadline(process);
    in = process.outputWriter();
    out = process.inputReader();
  }

  private static Path compiled(Path folder) throws IOException {
    Path client = folder.resolve("client");
    if (!Files.exists(client)) {
      Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
      String source =
          Path.of(System.getProperty("basedir", ""), "src/test/c/client.c")
              .toAbsolutePath()
              .toString();
      String ignored =
          Jvm.output(
              List.of(
                  "cc",
                  "-Wall",
                  "-Wextra",
                  "-Werror",
                  "-O1",
                  "-pthread",
                  "-o",
                  "" + client,
                  source));
    }
    return client;
  }

  /** {@return its id} */
  long pid() {
    return process.pid();
  }

  /** Has it do something, and {@return what it answers} */
  String ask(Object... words) throws IOException {
    send(words);
    return answer(words);
  }

  /** {@return what it answers to something that was sent before} */
  String answer(Object... words) throws IOException {
    String answer = out.readLine();
    if (answer == null) {
      throw new AssertionError("the client has ended at: " + List.of(words) + deadline.late());
    }
    return answer;
  }

  /** Has it do something, and {@return whether it lives long enough to answer} */
  boolean isAnswered(Object... words) {
    try {
      send(words);
      return out.readLine() != null;
    } catch (IOException e) {
      return false; // a pipe without a reader
    }
  }

  /** Has it do something, whose answer is not read yet, if there is one. */
  void send(Object... words) throws IOException {
    in.write(String.join(" ", Stream.of(words).map(Object::toString).toList()) + "\n");
    in.flush();
  }

  /** {@return the number that it answers first} */
  int number(Object... words) throws IOException {
    return Integer.parseInt(ask(words).split(" ")[0]);
  }

  /** Connects, and is granted an array; {@return the token} */
  String connect(Path socket) throws IOException {
    if (number("connect", socket) != 0) {
      throw new AssertionError("cannot connect to " + socket);
    }
    String[] answer = ask("grant").split(" ");
    if (!answer[0].equals("0")) {
      throw new AssertionError("not granted: " + String.join(" ", answer));
    }
    return answer[4];
  }

  /** Connects, and asks for a grant; {@return whether both were done} */
  boolean isGranted(Path socket) {
    try {
      return number("connect", socket) == 0 && number("grant") == 0;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Starts a thread with a value of the first key, and registers it; {@return its number} */
  int thread(int page, int value) throws IOException {
    int thread = number("thread");
    int status = number("register", thread, page);
    if (status != 0) {
      throw new AssertionError("not registered: " + status);
    }
    int ignored = number("set", thread, 0, value);
    return thread;
  }

  /** Kills it. */
  void kill() {
    process.destroyForcibly().onExit().join();
  }

  /** Has it end. */
  @Override
  public void close() throws IOException {
    in.close();
    process.onExit().join();
    deadline.close();
  }
}
