// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What keeps a program of {@code SEC("tp/...")} from its tracepoint, which tracefs lists. */
final class Tracepoint {

  private static final Pattern SECTION = Pattern.compile("(?:tp|tracepoint)/([^/]+/[^/]+)");

  /** In the order in which libbpf looks for one. */
  private static final List<Path> EVENTS =
      List.of(Path.of("/sys/kernel/tracing/events"), Path.of("/sys/kernel/debug/tracing/events"));

  private Tracepoint() {}

  /** {@return what is lacking, or null if nothing is or the section is of another kind} */
  static LibBpf.@Nullable Lack lack(String section) {
    Matcher name = SECTION.matcher(section);
    if (!name.matches()) {
      return null;
    }
    Path events = EVENTS.stream().filter(Files::isDirectory).findFirst().orElse(null);
    if (events == null) {
      return EVENTS.stream().allMatch(Files::notExists)
          ? new LibBpf.Lack(
              "no tracefs is mounted", "mount it: mount -t tracefs tracefs /sys/kernel/tracing")
          : null; // it may be there, and not for this process
    }
    return Files.notExists(events.resolve(name.group(1)))
        ? new LibBpf.Lack(
            "this kernel has no tracepoint " + name.group(1), "those it has are in " + events)
        : null;
  }
}
