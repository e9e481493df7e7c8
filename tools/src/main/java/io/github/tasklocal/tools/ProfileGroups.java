// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What samples are split by where that is no key's value. */
final class ProfileGroups {

  private final Map<Integer, String> processes = new HashMap<>();

  /** The paths of control groups, by what {@link #of} calls them. */
  private final Map<String, String> paths = new HashMap<>();

  ProfileGroups() {}

  /** {@return the group of a sample, which {@link #name} names at the end} */
  String of(ProfileSample sample, Profile.By by) {
    return switch (by) {
      case THREAD -> Output.printable(sample.comm()) + " (" + sample.tid() + ")";
      case PROCESS ->
          processes.computeIfAbsent(
              sample.pid(),
              pid -> ProcessName.of(sample.procId(), sample.comm()) + " (" + pid + ")");
      case CGROUP -> {
        String group = "(cgroup " + sample.cgroup() + ")";
        // Until a process tells it that still lives.
        paths.computeIfAbsent(group, absent -> path(sample.procId()));
        yield group;
      }
    };
  }

  /** {@return a group for people: a control group's id says nothing to them} */
  String name(String group) {
    return paths.getOrDefault(group, group);
  }

  /** {@return the path of a process's control group; null if it has ended} */
  private static @Nullable String path(int procId) {
    try {
      Path file = Path.of("/proc", String.valueOf(procId), "cgroup");
      return Files.readAllLines(file).stream()
          .filter(line -> line.startsWith("0::"))
          .map(line -> Output.printable(line.substring(3)))
          .findFirst()
          .orElse(null);
    } catch (IOException e) {
      return null;
    }
  }
}
