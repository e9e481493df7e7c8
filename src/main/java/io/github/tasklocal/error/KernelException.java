// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

import org.jspecify.annotations.Nullable;

/**
 * An operation on the kernel or on libbpf failed. There is a subtype for each kind of failure that
 * a program can act on; any other errno is reported with this type itself.
 */
public class KernelException extends TaskLocalException {

  private static final long serialVersionUID = 1;

  /** What was tried. */
  private final String operation;

  /** What it was tried on. */
  private final String subject;

  /** The errno by its name, or null. */
  private final @Nullable String errnoName;

  /**
   * Makes the exception.
   *
   * @param operation what was tried, such as {@code open map}
   * @param subject what it was tried on: a path, a name, a thread
   * @param errnoName the errno by its name, such as {@code EPERM}; null where no call was made or
   *     failed
   * @param problem what is wrong, in words
   * @param cure what mends it
   */
  public KernelException(
      String operation, String subject, @Nullable String errnoName, String problem, String cure) {
    super(
        operation
            + " "
            + subject
            + ": "
            + problem
            + (errnoName == null ? "" : " (" + errnoName + ")"),
        cure);
    this.operation = operation;
    this.subject = subject;
    this.errnoName = errnoName;
  }

  /** {@return what was tried, such as {@code open map}} */
  public String operation() {
    return operation;
  }

  /** {@return what it was tried on: a path, a name, a thread} */
  public String subject() {
    return subject;
  }

  /** {@return the errno by its name, such as {@code EPERM}, or null if no call failed} */
  public @Nullable String errnoName() {
    return errnoName;
  }
}
