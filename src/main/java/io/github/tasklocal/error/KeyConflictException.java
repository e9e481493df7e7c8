// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

/** A key of that name exists with another size or type. */
public final class KeyConflictException extends TaskLocalException {

  private static final long serialVersionUID = 1;

  /**
   * Makes the exception.
   *
   * @param problem what is wrong, in words
   * @param cure what mends it
   */
  public KeyConflictException(String problem, String cure) {
    super(problem, cure);
  }
}
