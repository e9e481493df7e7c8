// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

/** Starts and ends. */
final class StartUpNothing {

  private StartUpNothing() {}

  /**
   * Does nothing.
   *
   * @param args not looked at
   */
  public static void main(String[] args) {}
}
