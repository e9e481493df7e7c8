// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** What something was tested or measured on. */
public final class Machine {

  private static final String BUSY = ": the machine is busy, which makes the figures wrong";

  private Machine() {}

  /**
   * {@return what a reader of a report wants to know, by name}
   *
   * @param libbpf its version, or why there is none
   */
  public static Map<String, String> description(String libbpf) {
    Map<String, String> description = new LinkedHashMap<>();
    description.put("kernel", kernel());
    description.put("jdk", jdk());
    description.put("libbpf", libbpf);
    description.put("processor", processor());
    return description;
  }

  /** {@return the same for figures: how busy it is matters, and libbpf does not} */
  public static Map<String, String> descriptionWithLoad() {
    Map<String, String> description = description("");
    description.remove("libbpf");
    double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    description.put(
        "load",
        "%.2f%s".formatted(load, load > Runtime.getRuntime().availableProcessors() ? BUSY : ""));
    return description;
  }

  private static String kernel() {
    return System.getProperty("os.name") + " " + System.getProperty("os.version");
  }

  private static String jdk() {
    return System.getProperty("java.runtime.version") + ", " + System.getProperty("java.vendor");
  }

  private static String processor() {
    String model = table(Path.of("/proc/cpuinfo")).getOrDefault("model name", "");
    return "%s, %d processors%s"
        .formatted(
            System.getProperty("os.arch"),
            Runtime.getRuntime().availableProcessors(),
            model.isEmpty() ? "" : ", " + model); // not every architecture names it
  }

  /** {@return what the kernel says of this process} */
  public static Map<String, String> status() {
    return table(Path.of("/proc/self/status"));
  }

  /** {@return the first table of such a file; empty where there is none} */
  private static Map<String, String> table(Path file) {
    Map<String, String> table = new HashMap<>();
    try {
      // A process's name may be any bytes.
      for (String line : Files.readAllLines(file, StandardCharsets.ISO_8859_1)) {
        int colon = line.indexOf(':');
        if (colon > 0) {
          String previous =
              table.putIfAbsent(
                  line.substring(0, colon).strip(), line.substring(colon + 1).strip());
          if (previous != null) {
            break; // the next processor
          }
        }
      }
    } catch (IOException e) {
      return Map.of();
    }
    return table;
  }
}
