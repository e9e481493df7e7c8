// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** What the kernel says of sched_ext, in {@code /sys/kernel/sched_ext} (kernel/sched/ext.c). */
final class SchedExt {

  private static final Path FOLDER = Path.of("/sys/kernel/sched_ext");

  private SchedExt() {}

  /** {@return whether this kernel can have its scheduler replaced} */
  static boolean supported() {
    return Files.isDirectory(FOLDER);
  }

  /** {@return {@code enabled}, {@code disabled}, or a step between them} */
  static String state() throws IOException {
    return Files.readString(FOLDER.resolve("state")).strip();
  }

  /** {@return the name of the scheduler that runs, or an empty string} */
  static String scheduler() throws IOException {
    Path name = FOLDER.resolve("root/ops");
    return Files.exists(name) ? Files.readString(name).strip() : "";
  }

  /** {@return whether the default scheduler had the machine back before the time was over} */
  static boolean awaitDisabled(Duration atMost) throws IOException, InterruptedException {
    long end = System.nanoTime() + atMost.toNanos();
    while (!state().equals("disabled")) {
      if (System.nanoTime() - end > 0) {
        return false;
      }
      Thread.sleep(10);
    }
    return true;
  }
}
