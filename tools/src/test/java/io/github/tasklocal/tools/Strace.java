// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.Await;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** strace, which does something to a thread at its system calls, as long as this is open. */
final class Strace implements AutoCloseable {

  private final Process strace;

  /**
   * Begins to count the calls of a thread.
   *
   * @param thread its name; {@code java} is the thread of main
   * @param injection what strace is to do, as its option {@code inject} takes it
   * @param output a file of strace's
   */
  Strace(long pid, String thread, String injection, Path output) throws IOException {
    this(output, "--attach=" + tid(pid, thread), "--inject=" + injection);
    // The call in which the thread waits is written as soon as others will be.
    Await.until(
        "strace to have stopped the thread",
        () -> !strace.isAlive() || output.toFile().length() > 0);
  }

  private Strace(Path output, String... options) throws IOException {
    Files.deleteIfExists(output);
    List<String> command = new ArrayList<>(List.of("strace", "--output=" + output));
    command.addAll(List.of(options));
    strace = new ProcessBuilder(command).redirectErrorStream(true).start();
  }

  /**
   * Begins to do something to all threads of a process.
   *
   * @param file of whose descriptors the calls have to be, as its name is in {@code /proc/PID/fd}
   */
  static Strace ofAll(long pid, String injection, String file, Path output) throws IOException {
    Strace all =
        new Strace(
            output,
            "--attach=" + pid,
            "--follow-forks",
            "--trace-path=" + file,
            "--inject=" + injection);
    // Its first line says that all threads are attached, or why not.
    String said = String.valueOf(all.strace.inputReader().readLine());
    while (!said.contains("attached") && all.strace.isAlive()) {
      said = String.valueOf(all.strace.inputReader().readLine());
    }
    return all;
  }

  /** Begins to do something to each thread of a process, as it is and to come. */
  static Strace ofProcess(long pid, String injection, Path output) throws IOException {
    Strace all = new Strace(output, "--attach=" + pid, "--follow-forks", "--inject=" + injection);
    Await.until(
        "strace to have stopped the process",
        () -> !all.strace.isAlive() || output.toFile().length() > 0);
    return all;
  }

  private static long tid(long pid, String thread) throws IOException {
    try (Stream<Path> tasks = Files.list(Path.of("/proc/" + pid + "/task"))) {
      List<Path> all = tasks.toList();
      for (Path task : all) {
        long tid = Long.parseLong(task.getFileName().toString());
        if (tid != pid && Files.readString(task.resolve("comm")).strip().equals(thread)) {
          return tid;
        }
      }
    }
    throw new AssertionError("process " + pid + " has no thread " + thread);
  }

  /** Waits for its end with that of its process, whose threads it could not leave any more. */
  void awaitEnd() {
    Await.until("the end of strace", () -> !strace.isAlive());
  }

  /** Lets the thread go on, if its process lives. */
  @Override
  public void close() {
    strace.destroy();
    awaitEnd();
  }
}
