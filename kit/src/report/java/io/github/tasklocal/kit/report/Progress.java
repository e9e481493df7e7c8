// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit.report;

import java.io.Console;
import java.io.PrintStream;
import java.util.Optional;

/** A line that says how far it is, and is gone when it is done: on a terminal alone. */
public final class Progress {

  private static final int COLUMNS = 79;

  private final PrintStream stream;
  private final String elsewhere;
  private final boolean terminal =
      Optional.ofNullable(System.console()).filter(Console::isTerminal).isPresent()
          && !"dumb".equals(System.getenv("TERM"));

  /** Shows nothing where no terminal is. */
  public Progress(PrintStream stream) {
    this(stream, "");
  }

  /** Where no terminal is, shows each in a line that begins with a word. */
  public Progress(PrintStream stream, String elsewhere) {
    this.stream = stream;
    this.elsewhere = elsewhere;
  }

  /** Replaces what it said before. */
  public void show(String line) {
    if (terminal) {
      print("\r\033[K" + line.substring(0, Math.min(line.length(), COLUMNS)));
    } else if (!elsewhere.isEmpty()) {
      print(elsewhere + line + "\n");
    }
  }

  /** Takes the line away. */
  public void clear() {
    if (terminal) {
      print("\r\033[K");
    }
  }

  private void print(String text) {
    stream.print(text);
    stream.flush();
  }
}
