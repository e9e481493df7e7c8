// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

/** A page cannot hold the name or the layout of a key. */
public final class InvalidKeyException extends TaskLocalException {

  private static final long serialVersionUID = 1;

  /**
   * Makes the exception.
   *
   * @param problem the value and the limit that it breaks
   * @param cure what mends it
   */
  public InvalidKeyException(String problem, String cure) {
    super(problem, cure);
  }
}
