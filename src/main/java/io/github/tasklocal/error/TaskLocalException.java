// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

/**
 * Something that this library refuses or fails to do. Each kind of failure has a type of its own,
 * and each message ends with what mends the problem. A call that throws it has changed nothing.
 *
 * <p>This type is not sealed, since later versions may add kinds, and then a switch over all kinds
 * would not compile any more. But only this package can define direct subtypes.
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
