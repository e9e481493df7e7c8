// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

import org.jspecify.annotations.Nullable;

/** The kernel does not permit the operation to this process. With permission it may still fail. */
public final class NotPermittedException extends KernelException {

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
  public NotPermittedException(
      String operation, String subject, @Nullable String errnoName, String problem, String cure) {
    super(operation, subject, errnoName, problem, cure);
  }
}
