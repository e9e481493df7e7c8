// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.io.Console;
import java.io.PrintStream;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A line that says how far it is, and is gone when it is done: on a terminal, else nothing. */
public final class Progress {

  private static final int COLUMNS = 79;

  private final @Nullable PrintStream terminal;

  /** Shows it on a stream, if somebody is looking at a terminal. */
  public Progress(PrintStream stream) {
    this.terminal =
        Optional.ofNullable(System.console()).filter(Console::isTerminal).isPresent()
                && !"dumb".equals(System.getenv("TERM"))
            ? stream
            : null;
  }

  /** Replaces what it said before. */
  public void show(String line) {
    print("\r\033[K" + line.substring(0, Math.min(line.length(), COLUMNS)));
  }

  /** Takes the line away. */
  public void clear() {
    print("\r\033[K");
  }

  private void print(String text) {
    if (terminal != null) {
      terminal.print(text);
      terminal.flush();
    }
  }
}
