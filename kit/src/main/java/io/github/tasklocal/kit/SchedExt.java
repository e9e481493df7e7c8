// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** What the kernel says of sched_ext, in {@code /sys/kernel/sched_ext} (kernel/sched/ext.c). */
public final class SchedExt {

  private static final Path FOLDER = Path.of("/sys/kernel/sched_ext");

  private SchedExt() {}

  /** {@return whether this kernel can have its scheduler replaced} */
  public static boolean supported() {
    return Files.isDirectory(FOLDER);
  }

  /** {@return {@code enabled}, {@code disabled}, or a step between them} */
  public static String state() {
    return read(FOLDER.resolve("state"));
  }

  /** {@return the name of the scheduler that runs, or an empty string} */
  public static String scheduler() {
    try {
      return read(FOLDER.resolve("root/ops"));
    } catch (UncheckedIOException e) {
      return "";
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return whether it came to a state before the time was over} */
  public static boolean await(String state, Duration atMost) throws InterruptedException {
    long end = System.nanoTime() + atMost.toNanos();
    while (!state().equals(state)) {
      if (System.nanoTime() - end > 0) {
        return false;
      }
      Thread.sleep(10);
    }
    return true;
  }
}
