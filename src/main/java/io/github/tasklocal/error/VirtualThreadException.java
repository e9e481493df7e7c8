// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

/**
 * A value of a virtual thread was to be held in its place, and has none that stays; or a value of a
 * thread that carries virtual threads was to be reached from elsewhere, where their values lie,
 * too. Keys work on all these threads all the same.
 */
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
