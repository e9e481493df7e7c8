// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.Jvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A process that runs {@link ValuesChild}, until this is closed. */
final class ValuesProcess implements AutoCloseable {

  private final Process process;
  private final Jvm.Deadline deadline;
  private final BufferedReader output;

  ValuesProcess(Path pin, int threads) throws IOException {
    this(List.of(), pin.toString(), Integer.toString(threads));
  }

  /** Starts one whose only thread with values is virtual, and mounted all the time. */
  static ValuesProcess ofVirtual(Path pin) throws IOException {
    return new ValuesProcess(
        List.of("--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED"),
        pin.toString(),
        "1",
        "virtual");
  }

  private ValuesProcess(List<String> options, String... arguments) throws IOException {
    List<String> command =
        Jvm.reading(options, Jvm.join(Jvm.classPath()), ValuesChild.class, arguments);
    process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    deadline = new Jvm.Deadline(process);
    output = process.inputReader();
    try {
      if (!said().equals("ready")) {
        throw new AssertionError("the child is not ready");
      }
    } catch (IOException | Error e) {
      close();
      throw e;
    }
  }

  private String said() throws IOException {
    String line = output.readLine();
    if (line == null) {
      throw new AssertionError(
          deadline.killed() ? "the child was " + deadline.late() : "the child has ended");
    }
    return line;
  }

  int pid() {
    return (int) process.pid();
  }

  /**
   * Waits until all threads have entries in a map.
   *
   * @return when they were there, by this machine's {@link System#nanoTime}
   */
  long registered() throws IOException {
    return Long.parseLong(said());
  }

  @Override
  public void close() throws IOException {
    process.getOutputStream().close();
    process.onExit().join();
    deadline.close();
  }
}
