// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Need;
import java.io.IOException;
import java.nio.file.Path;

/** Starts the JVM of a test that needs one of its own, and is that JVM's main class. */
final class TestProcess {

  private TestProcess() {}

  /** Runs a test in a JVM with the options for a short life. */
  static void run(TestCase test, Fixture.Settings settings, Bpffs bpffs) throws IOException {
    boolean root = test.needs().contains(Need.ROOT);
    String ignored =
        Jvm.output(
            Jvm.command(
                Jvm.shortLived(),
                Jvm.join(Jvm.classPath()),
                TestProcess.class,
                test.title(),
                root ? bpffs.folder().toString() : "/none",
                Integer.toString(settings.threads()),
                Long.toString(settings.seed())));
  }

  /**
   * Runs the test; what it throws ends the JVM with status 1.
   *
   * @param args as {@link #run} passes them
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
