// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.nio.file.Path;

/** The main class of a JVM that runs one test: its title, the bpffs, threads and seed. */
final class Child {

  private Child() {}

  /**
   * Runs the test; what it throws ends the JVM with status 1.
   *
   * @param args as {@link Jvm} passes them
   */
  public static void main(String[] args) throws Exception {
    TestCase test =
        Suite.all().stream()
            .filter(each -> each.title().equals(args[0]))
            .findFirst()
            .orElseThrow(
                () -> new IllegalArgumentException("there is no test \"" + args[0] + "\""));
    var settings = new Fixture.Settings(Integer.parseInt(args[2]), Long.parseLong(args[3]));
    try (Bpffs bpffs = new Bpffs(Path.of(args[1]));
        Fixture fixture = new Fixture(test.wire(), settings, bpffs)) {
      test.body().run(fixture);
    }
  }
}
