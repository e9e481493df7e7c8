// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

/** All 64 keys are taken, or the page has no room for a value of that size. */
public final class DirectoryFullException extends TaskLocalException {

  private static final long serialVersionUID = 1;

  /**
   * Makes the exception.
   *
   * @param problem the value and the limit that it breaks
   * @param cure what mends it
   */
  public DirectoryFullException(String problem, String cure) {
    super(problem, cure);
  }
}
