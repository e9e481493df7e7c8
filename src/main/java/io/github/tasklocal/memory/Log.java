// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.jspecify.annotations.Nullable;

/** The application's log, which may fail. Not to be called under a lock. */
public final class Log {

  private static final Logger LOGGER = System.getLogger("io.github.tasklocal");

  private Log() {}

  /**
   * Logs a warning.
   *
   * @param message what is wrong
   * @param cause or null
   * @return false if the log failed: its handler is foreign code, and may lack the same resource
   *     that the message reports as missing
   */
  public static boolean warn(String message, @Nullable Throwable cause) {
    try {
      LOGGER.log(Level.WARNING, message, cause);
      return true;
    } catch (RuntimeException | Error e) {
      return false;
    }
  }
}
