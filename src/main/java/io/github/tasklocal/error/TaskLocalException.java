// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

/**
 * What this library refuses or fails at. Each kind of failure has a type of its own, and each
 * message ends with what mends it. What was there before the failed call is there unchanged.
 *
 * <p>Other kinds may come with later versions, so this type is not sealed: a switch over all kinds
 * would not compile any more. Only this package makes subtypes of its own.
 */
public abstract class TaskLocalException extends RuntimeException {

  private static final long serialVersionUID = 1;

  /** What the reader can do about it. */
  private final String cure;

  TaskLocalException(String problem, String cure) {
    super(problem + ": " + cure);
    this.cure = cure;
  }

  /** {@return what the reader can do about it} The message ends with the same words. */
  public String cure() {
    return cure;
  }
}
