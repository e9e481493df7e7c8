// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the calling thread may do, as {@code /proc/thread-self/status} shows it (proc(5)); nothing
 * is known where that cannot be read.
 */
final class Status {

  /** By the numbers of linux/capability.h. */
  private static final Map<Integer, String> NEEDED =
      new TreeMap<>(Map.of(38, "CAP_PERFMON", 39, "CAP_BPF"));

  private static final int SYS_ADMIN = 21;

  private static final Path UID_MAP = Path.of("/proc/self/uid_map");
  private static final Path LOCKDOWN = Path.of("/sys/kernel/security/lockdown");
  private static final Path MODULES = Path.of("/sys/kernel/security/lsm");

  private final String text;

  private Status(String text) {
    this.text = text;
  }

  static Status ofThread() {
    return new Status(read(Path.of("/proc/thread-self/status")));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file, StandardCharsets.ISO_8859_1); // a name may have any bytes
    } catch (IOException e) {
      return "";
    }
  }

  private String field(String name) {
    return text.lines()
        .filter(line -> line.startsWith(name + ":"))
        .map(line -> line.substring(name.length() + 1).strip())
        .findFirst()
        .orElse("");
  }

  /** {@return whether a seccomp filter sees the thread's system calls} */
  boolean isFiltered() {
    return field("Seccomp").equals("2");
  }

  /** {@return the capabilities of BPF that the thread has not; none if that is not known} */
  List<String> lacking() {
    String effective = field("CapEff");
    List<String> lacking = new ArrayList<>();
    if (!effective.isEmpty()) {
      long has = Long.parseUnsignedLong(effective, 16);
      if ((has & 1L << SYS_ADMIN) == 0) { // which includes the others
        NEEDED.forEach(
            (number, name) -> {
              if ((has & 1L << number) == 0) {
                lacking.add(name);
              }
            });
      }
    }
    return lacking;
  }

  /** {@return whether it is the user root's} */
  boolean isRoot() {
    String[] ids = field("Uid").split("\\s+", -1); // real, effective, saved, for files
    return ids.length > 1 && ids[1].equals("0");
  }

  /** {@return whether its capabilities count in a user namespace only, not in the system} */
  static boolean isInUserNamespace() {
    String map = read(UID_MAP).strip().replaceAll("\\s+", " ");
    return !map.isEmpty() && !map.equals("0 0 4294967295");
  }

  /** {@return what else there is that may refuse a call, in words; empty if nothing is known} */
  static String guards() {
    List<String> guards = new ArrayList<>();
    String lockdown = read(LOCKDOWN).strip(); // "none [integrity] confidentiality"
    if (!lockdown.isEmpty() && !lockdown.contains("[none]")) {
      guards.add("the kernel's lockdown is " + lockdown);
    }
    String modules = read(MODULES).strip();
    if (!modules.isEmpty()) {
      guards.add("the security modules are " + modules);
    }
    if (!KernelVersion.RUNNING.atLeast(5, 11)) { // maps and programs count as locked memory there
      read(Path.of("/proc/self/limits"))
          .lines()
          .filter(line -> line.startsWith("Max locked memory") && !line.contains("unlimited"))
          .forEach(line -> guards.add(line.strip().replaceAll("\\s+", " ")));
    }
    return String.join(", ", guards);
  }
}
