// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import io.github.tasklocal.kit.Machine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Which of this process's namespaces are not the machine's first, as in a container. */
public final class Namespaces {

  private static final Path OF_THIS_PROCESS = Path.of("/proc/self/ns");

  /** The inodes of the first ones: {@code include/linux/proc_ns.h} of the kernel. */
  private static final Map<String, Long> FIRST =
      Map.of(
          "ipc", 0xEFFFFFFFL,
          "uts", 0xEFFFFFFEL,
          "user", 0xEFFFFFFDL,
          "pid", 0xEFFFFFFCL,
          "cgroup", 0xEFFFFFFBL);

  /** What a command says in a pid namespace other than the first that shows it no process. */
  public static final String OTHERS_UNSEEN =
      "from here, only threads of this pid namespace can be seen: a container sees all with"
          + " --pid=host (hostPID of Kubernetes)";

  private Namespaces() {}

  /** {@return whether this process is in the first namespace of a kind, or the kernel has none} */
  public static boolean inFirst(String kind) {
    try {
      return Files.readSymbolicLink(OF_THIS_PROCESS.resolve(kind))
          .toString()
          .equals(kind + ":[" + FIRST.get(kind) + "]");
    } catch (IOException e) {
      return true;
    }
  }

  /** {@return the kinds of which this process has others than the machine, in order} */
  public static List<String> ofOwn() {
    return FIRST.keySet().stream().filter(kind -> !inFirst(kind)).sorted().toList();
  }

  /** {@return whether a path in {@code /proc} has the ids of this process's pid namespace} */
  public static boolean procIsOurs() {
    try {
      return Files.readSymbolicLink(Path.of("/proc/self"))
          .toString()
          .equals(String.valueOf(ProcessHandle.current().pid()));
    } catch (IOException e) {
      return false; // nothing is mounted there
    }
  }

  /**
   * {@return how many levels the pid namespace that {@code /proc} shows is above this process's} A
   * process has an id in each level from there to its own.
   */
  public static int procAbove() {
    return Math.max(1, Machine.status().getOrDefault("NSpid", "").split("\\s+").length) - 1;
  }
}
