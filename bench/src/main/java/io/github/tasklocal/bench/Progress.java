// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.io.Console;
import java.util.List;
import java.util.Optional;

/**
 * What is being measured and how long it will still take: one line that makes way for the table on
 * a terminal, a line for each group elsewhere.
 */
final class Progress {

  private static final int MINUTE = 60;

  private final boolean terminal =
      Optional.ofNullable(System.console()).filter(Console::isTerminal).isPresent()
          && !"dumb".equals(System.getenv("TERM"));

  private final List<Group> groups;
  private final boolean quick;
  private int started;

  Progress(List<Group> groups, boolean quick) {
    this.groups = groups;
    this.quick = quick;
  }

  void start(Group group) {
    int left = groups.stream().skip(started).mapToInt(each -> each.seconds(quick)).sum();
    started++;
    if (group.seconds(quick) == 0) {
      return;
    }
    String line =
        "[%d/%d] %s; %s left"
            .formatted(
                started,
                groups.size(),
                group.name(),
                left < MINUTE ? "less than a minute" : "about " + (left / MINUTE + 1) + " minutes");
    System.err.print(terminal ? "\r\033[K" + line : "bench: " + line + "\n");
    System.err.flush();
  }

  void end() {
    if (terminal) {
      System.err.print("\r\033[K");
      System.err.flush();
    }
  }
}
