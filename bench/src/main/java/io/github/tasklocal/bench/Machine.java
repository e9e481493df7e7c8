// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the figures were measured on. */
public final class Machine {

  private static final String BUSY =
      ": others are at work here; figures of a busy machine are wrong";

  private Machine() {}

  /** {@return what a reader of figures wants to know, by name} */
  public static Map<String, String> description() {
    Map<String, String> description = new LinkedHashMap<>();
    description.put(
        "kernel", System.getProperty("os.name") + " " + System.getProperty("os.version"));
    description.put(
        "jdk",
        System.getProperty("java.runtime.version") + ", " + System.getProperty("java.vendor"));
    description.put(
        "processor",
        "%s, %d processors%s"
            .formatted(
                System.getProperty("os.arch"),
                Runtime.getRuntime().availableProcessors(),
                model()));
    double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    description.put(
        "load",
        Figures.number(load) + (load > Runtime.getRuntime().availableProcessors() ? BUSY : ""));
    return description;
  }

  private static String model() {
    try (var lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .findFirst()
          .map(line -> ", " + line.substring(line.indexOf(':') + 1).strip())
          .orElse("");
    } catch (IOException e) {
      return ""; // not every architecture names it
    }
  }
}
