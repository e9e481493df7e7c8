// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** What samples are split by where that is no key's value. */
final class ProfileGroups {

  private final Map<Integer, String> processes = new HashMap<>();
  private final Map<Long, String> cgroups = new HashMap<>();

  ProfileGroups() {}

  /** {@return the group of a sample, for people} */
  String of(ProfileSample sample, Profile.By by) {
    return switch (by) {
      case THREAD -> Output.printable(sample.comm()) + " (" + sample.tid() + ")";
      case PROCESS ->
          processes.computeIfAbsent(
              sample.pid(),
              pid -> ProcessName.of(sample.procId(), sample.comm()) + " (" + pid + ")");
      case CGROUP -> cgroups.computeIfAbsent(sample.cgroup(), id -> cgroup(sample));
    };
  }

  /** A control group's id says nothing to people, but its process still lives. */
  private static String cgroup(ProfileSample sample) {
    try {
      Path file = Path.of("/proc", String.valueOf(sample.procId()), "cgroup");
      return Files.readAllLines(file).stream()
          .filter(line -> line.startsWith("0::"))
          .map(line -> Output.printable(line.substring(3)))
          .findFirst()
          .orElse("(cgroup " + sample.cgroup() + ")");
    } catch (IOException e) {
      return "(cgroup " + sample.cgroup() + ")";
    }
  }
}
