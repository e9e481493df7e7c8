// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

/** The Java runtime denies this module native access. */
public final class NativeAccessException extends TaskLocalException {

  private static final long serialVersionUID = 1;

  /**
   * Makes the exception.
   *
   * @param problem what is wrong, in words
   * @param cure what mends it
   */
  public NativeAccessException(String problem, String cure) {
    super(problem, cure);
  }
}
