// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What the running kernel has, and what it lets this process do. */
public final class Kernel {

  /** Where it says which types it has. */
  public static final Path BTF = Path.of("/sys/kernel/btf/vmlinux");

  private static final Pattern VERSION = Pattern.compile("(\\d{1,9})\\.(\\d{1,9}).*");

  private static final int CAP_SYS_ADMIN = 21;

  private static final Map<Integer, String> CAPABILITIES =
      new TreeMap<>(Map.of(CAP_SYS_ADMIN, "CAP_SYS_ADMIN", 38, "CAP_PERFMON", 39, "CAP_BPF"));

  private Kernel() {}

  /** {@return its name and version} */
  public static String version() {
    return System.getProperty("os.name") + " " + System.getProperty("os.version");
  }

  /** {@return whether it is a Linux of such a version or a newer one} */
  public static boolean isLinux(int major, int minor) {
    return System.getProperty("os.name", "").equals("Linux")
        && atLeast(System.getProperty("os.version", ""), major, minor);
  }

  /** {@return whether a version is such or newer; false for a text that begins with none} */
  public static boolean atLeast(String version, int major, int minor) {
    Matcher numbers = VERSION.matcher(version);
    if (!numbers.matches()) {
      return false;
    }
    int first = Integer.parseInt(numbers.group(1));
    return first > major || (first == major && Integer.parseInt(numbers.group(2)) >= minor);
  }

  /** {@return the names in its type information; null if that cannot be read} */
  public static @Nullable Names names() {
    try {
      return new Names(new String(Files.readAllBytes(BTF), StandardCharsets.ISO_8859_1));
    } catch (IOException e) {
      return null;
    }
  }

  /** The names of types, their members and functions. */
  public static final class Names {
    private final String types;

    private Names(String types) {
      this.types = types;
    }

    /** {@return whether something has this name} */
    public boolean contains(String name) {
      return types.contains("\0" + name + "\0");
    }

    /** {@return whether there are pointers to user memory in maps, wherever that was ported to} */
    public boolean containsUptr() {
      return contains("BPF_UPTR");
    }
  }

  /**
   * {@return the capabilities that this process has not, of those that it takes to use BPF} {@code
   * CAP_SYS_ADMIN} stands for the others, which were a part of it before Linux 5.8.
   */
  public static List<String> lackingCapabilities() {
    return lacking("CapEff");
  }

  /** {@return those of them that no program which this process starts can get, root's neither} */
  public static List<String> unreachableCapabilities() {
    return lacking("CapBnd");
  }

  private static List<String> lacking(String set) {
    long held = Long.parseUnsignedLong(Machine.status().getOrDefault(set, "0"), 16);
    return (held & 1L << CAP_SYS_ADMIN) != 0
        ? List.of()
        : CAPABILITIES.entrySet().stream()
            .filter(capability -> (held & 1L << capability.getKey()) == 0)
            .map(Map.Entry::getValue)
            .toList();
  }
}
