// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code doctor} says of a socket to a user without privileges, and what mends it. */
@KernelTest
class DoctorSocketKernelIT {

  @TempDir Path folder;

  private Path socket() {
    return folder.resolve("tasklocal.sock");
  }

  /** {@return what it says, on one line: spaces and line ends are those of the table} */
  private String doctor(int exit) throws IOException {
    Command doctor =
        new ToolsJar(folder).shell(ToolsJar.NOBODY + "TOOLS doctor --socket " + socket());
    assertThat(doctor.exit()).as("%s", doctor).isEqualTo(exit);
    return doctor.out().replaceAll("\\s+", " ");
  }

  @Test
  void nobodyServes() throws Exception {
    assertThat(doctor(1)).contains("socket no nobody serves at " + socket(), "serve --mode 666");
    try (ServeSide side = new ServeSide(folder)) {
      side.kill(); // its socket stays
      assertThat(doctor(1)).contains("socket no nobody serves at " + socket(), "serve --mode 666");
    }
  }

  @Test
  void someoneElseListens() throws Exception {
    try (OtherSide _ = new OtherSide(socket(), 2)) {
      assertThat(doctor(1))
          .contains("socket no ", "does not speak this library's protocol", "serve, of this");
    }
    Files.createFile(socket());
    assertThat(doctor(1)).contains("socket no ");
  }

  @Test
  void theServingSideServesOrSaysWhyNot() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--max-processes", "1")) {
      assertThat(doctor(0))
          .contains(
              "socket yes this thread was registered over " + socket(),
              "sharing yes this thread was registered over " + socket());
      try (ServeClient client = side.client()) {
        String _ = client.connect(side.socket());
        assertThat(doctor(1))
            .contains("socket no ", "serves no more processes", "--max-processes of serve");
      }
      Files.setPosixFilePermissions(socket(), PosixFilePermissions.fromString("rw-------"));
      assertThat(doctor(1))
          .contains("socket no ", "not allowed to this process", "--mode and --group of serve");
      Files.setPosixFilePermissions(socket(), PosixFilePermissions.fromString("rw-rw-rw-"));
      side.process().signal("STOP");
      assertThat(doctor(1)).contains("socket no ", "does not answer");
      side.process().signal("CONT");
    }
  }
}
