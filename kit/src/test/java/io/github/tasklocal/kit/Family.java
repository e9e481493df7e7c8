// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.util.List;

/** What the tests' own children do. */
final class Family {

  private Family() {}

  /**
   * Does one thing.
   *
   * @param args {@code say WORD}; {@code rest}, for ever; {@code parent}, which starts one that
   *     rests, prints its pid, and rests
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
        System.out.println(child); // it is held until here
      }
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static void rest() throws InterruptedException {
    Thread.sleep(Long.MAX_VALUE);
  }
}
