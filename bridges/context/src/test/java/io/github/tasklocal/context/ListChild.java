// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.context;

/** Says how many keys the list of its process has. */
final class ListChild {

  private ListChild() {}

  public static void main(String[] args) {
    System.out.println(ContextKeys.ofProcess().all().size() + " keys");
  }
}
