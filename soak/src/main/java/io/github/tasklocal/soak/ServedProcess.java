// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Patience;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/** A JVM with threads that are served, {@link ServedThreads}, as the row sees it. */
final class ServedProcess implements AutoCloseable {

  private final Process process;
  private final Jvm.Deadline deadline;
  private final Writer in;
  private final BufferedReader out;
  private final int threads;
  private int value;

  /** Starts it. */
  ServedProcess(Path socket, int threads) throws IOException {
    this.threads = threads;
    List<String> options =
        List.of(
            "-Dtasklocal.map=" + socket,
            "-Xmx256m",
            "-Xss256k",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1");
    process =
        new ProcessBuilder(
                Jvm.reading(
                    options,
                    Jvm.join(Jvm.classPath()),
                    ServedThreads.class,
                    Integer.toString(threads)))
            .redirectErrorStream(true)
            .start();
    deadline = new Jvm.Deadline(process, Patience.CHILD.multipliedBy(4));
    in = process.outputWriter(StandardCharsets.UTF_8);
    out = process.inputReader(StandardCharsets.UTF_8);
  }

  int pid() {
    return (int) process.pid();
  }

  int threads() {
    return threads;
  }

  /** {@return the value that its threads have set last, the part that is the same for all} */
  int value() {
    return value;
  }

  /** Has new threads set a value, and no others live; {@return what it has found wrong so far} */
  long still() throws IOException {
    begin();
    return end();
  }

  /** Begins {@link #still}, for several processes at the same time. */
  void begin() throws IOException {
    value++;
    tell("still " + value);
  }

  /** Waits until that is done. */
  long end() throws IOException {
    StringBuilder said = new StringBuilder();
    for (String line = out.readLine(); line != null; line = out.readLine()) {
      if (line.startsWith(ServedThreads.STILL)) {
        return Long.parseLong(line.substring(ServedThreads.STILL.length()));
      }
      said.append(line).append('\n');
    }
    throw new IllegalStateException(
        "a served process " + (deadline.killed() ? deadline.late() : "has ended") + "\n" + said);
  }

  /** Has threads come and go. */
  void storm() throws IOException {
    tell("storm");
  }

  private void tell(String what) throws IOException {
    in.write(what + "\n");
    in.flush();
  }

  /** Kills it, wherever it is. */
  void kill() {
    process.destroyForcibly().onExit().join();
    deadline.close();
  }

  @Override
  public void close() {
    kill();
  }
}
