// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

/** A key was used on a virtual thread, which has no kernel task of its own. */
public final class VirtualThreadException extends TaskLocalException {

  private static final long serialVersionUID = 1;

  /**
   * Makes the exception.
   *
   * @param problem what is wrong, in words
   * @param cure what mends it
   */
  public VirtualThreadException(String problem, String cure) {
    super(problem, cure);
  }
}
