// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the kernel says of the processors, for messages. */
final class Processor {

  private Processor() {}

  /**
   * {@return whether a processor lacks {@code cmpxchg16b}, as some emulated ones of x86-64 do}
   * There {@code kmalloc_nolock()} (mm/slub.c), from which task storage has its memory since 6.19,
   * always fails.
   */
  static boolean lacksWideExchange() {
    try {
      return lacksWideExchange(Files.readString(Path.of("/proc/cpuinfo")));
    } catch (IOException e) {
      return false;
    }
  }

  /** {@return the same of the text of {@code /proc/cpuinfo}, which names flags on x86 alone} */
  static boolean lacksWideExchange(String cpuinfo) {
    return cpuinfo
        .lines()
        .filter(line -> line.startsWith("flags"))
        .anyMatch(line -> !(line + " ").contains(" cx16 "));
  }
}
