// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

/** What keeps a command from doing its work, with the remedy, in words for its user. */
public final class Failure extends Exception {

  private static final long serialVersionUID = 1;

  private final String cure;

  public Failure(String message) {
    super(message);
    cure = "";
  }

  public Failure(String problem, String cure) {
    super(problem + ": " + cure);
    this.cure = cure;
  }

  /** {@return what mends it; empty where the message alone says it} */
  public String cure() {
    return cure;
  }
}
