// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.LibBpf;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the tests run on. */
public final class Machine {

  static final boolean LINUX = System.getProperty("os.name", "").equals("Linux");

  private Machine() {}

  /** {@return what a reader of a report wants to know, by name} */
  public static Map<String, String> description() {
    Map<String, String> description = new LinkedHashMap<>();
    description.put(
        "kernel", System.getProperty("os.name") + " " + System.getProperty("os.version"));
    description.put(
        "jdk",
        System.getProperty("java.runtime.version") + ", " + System.getProperty("java.vendor"));
    description.put("libbpf", libbpf());
    description.put("processor", processor());
    return description;
  }

  private static String libbpf() {
    try {
      LibBpf.require("find", "libbpf");
      return LibBpf.version();
    } catch (KernelException e) {
      return "none: " + e.getMessage();
    }
  }

  private static String processor() {
    String model = "";
    try {
      model = table(Path.of("/proc/cpuinfo")).getOrDefault("model name", "");
    } catch (IOException e) {
      model = "";
    }
    return "%s, %d processors%s"
        .formatted(
            System.getProperty("os.arch"),
            Runtime.getRuntime().availableProcessors(),
            model.isEmpty() ? "" : ", " + model);
  }

  /** {@return what the kernel says of this process} */
  public static Map<String, String> status() throws IOException {
    return table(Path.of("/proc/self/status"));
  }

  private static Map<String, String> table(Path file) throws IOException {
    Map<String, String> table = new HashMap<>();
    for (String line : Files.readAllLines(file)) {
      int colon = line.indexOf(':');
      if (colon > 0) {
        String previous =
            table.putIfAbsent(line.substring(0, colon).strip(), line.substring(colon + 1).strip());
        if (previous != null) {
          break; // the next processor
        }
      }
    }
    return table;
  }
}
