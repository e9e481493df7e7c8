// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Context switches, as the kernel counts them. */
final class Switches {

  private Switches() {}

  /** {@return those of this process's threads that live now} */
  static long count() {
    try (var tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
      long count = 0;
      for (Path task : tasks) {
        count += of(task.resolve("status"));
      }
      return count;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static long of(Path status) throws IOException {
    try (var lines = Files.lines(status)) {
      return lines
          .filter(line -> line.contains("voluntary_ctxt_switches:")) // and the nonvoluntary
          .mapToLong(line -> Long.parseLong(line.substring(line.indexOf(':') + 1).strip()))
          .sum();
    } catch (NoSuchFileException | UncheckedIOException e) {
      return 0; // the thread has ended
    }
  }
}
