// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.util.function.Consumer;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** What the library and libbpf log, kept for the report of the test that it belongs to. */
public final class LibraryLog extends Handler {

  /** Held here, since a logger that is collected loses its settings. */
  private static final Logger LOGGER = Logger.getLogger("io.github.tasklocal");

  private final StringBuilder lines = new StringBuilder();
  private final Consumer<String> live;

  private LibraryLog(Consumer<String> live) {
    this.live = live;
  }

  /** {@return the log, from now on} */
  public static LibraryLog install(boolean debug, Consumer<String> live) {
    LibraryLog log = new LibraryLog(live);
    LOGGER.setUseParentHandlers(false);
    LOGGER.setLevel(debug ? Level.FINE : Level.INFO);
    LOGGER.addHandler(log);
    return log;
  }

  /** {@return what was logged since the last call} */
  public synchronized String take() {
    String text = lines.toString();
    lines.setLength(0);
    return text;
  }

  @Override
  public synchronized void publish(LogRecord entry) {
    if (isLoggable(entry)) {
      lines.append(entry.getMessage()).append('\n');
      live.accept(entry.getMessage());
    }
  }

  @Override
  public void flush() {}

  @Override
  public void close() {}
}
