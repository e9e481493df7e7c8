// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.Await;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** strace, which kills a process as one of its threads begins a system call, before that is done. */
final class KillAtCall implements AutoCloseable {

  private final Process strace;

  /**
   * Begins to count the calls of a thread.
   *
   * @param thread its name; {@code java} is the thread of main
   * @param calls which are counted, separated by commas
   * @param count the first of them that is not done
   * @param output a file of strace's
   */
  KillAtCall(long pid, String thread, String calls, int count, Path output) throws IOException {
    Files.deleteIfExists(output);
    strace =
        new ProcessBuilder(
                "strace",
                "-p",
                Long.toString(tid(pid, thread)),
                "-o",
                output.toString(),
                "-e",
                "inject=%s:signal=KILL:when=%d".formatted(calls, count))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    // The call in which the thread waits is written as soon as others will be.
    Await.until(
        "strace to have stopped the thread",
        () -> !strace.isAlive() || output.toFile().length() > 0);
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

  /** Lets the thread go on, if its process lives. */
  @Override
  public void close() {
    strace.destroy();
    Await.until("the end of strace", () -> !strace.isAlive());
  }
}
