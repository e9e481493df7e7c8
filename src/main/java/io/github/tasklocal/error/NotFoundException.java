// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

import org.jspecify.annotations.Nullable;

/** There is no such file, map, program or global variable. */
public final class NotFoundException extends KernelException {

  private static final long serialVersionUID = 1;

  /**
   * Makes the exception.
   *
   * @param operation what was tried
   * @param subject what it was tried on
   * @param errnoName the errno by its name, or null
   * @param problem what is wrong, in words
   * @param cure what mends it
   */
  public NotFoundException(
      String operation, String subject, @Nullable String errnoName, String problem, String cure) {
    super(operation, subject, errnoName, problem, cure);
  }
}
