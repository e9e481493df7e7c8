// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.util.List;

/** The children of the kit's own tests. */
final class Family {

  private Family() {}

  /**
   * Does one thing.
   *
   * @param args {@code say WORD}; {@code rest}, for ever; {@code parent}, which starts a child that
   *     rests, prints the child's pid, and rests
   */
  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "say" -> System.out.println(args[1]);
      case "rest" -> rest();
      case "parent" -> {
        String path = Jvm.join(Jvm.classPath());
        Process child = Jvm.start(Jvm.command(List.of(), path, Family.class, "rest"));
        System.out.println(child.pid());
        rest();
        System.out.println(child); // keeps the child reachable until here
      }
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static void rest() throws InterruptedException {
    Thread.sleep(Long.MAX_VALUE);
  }
}
