// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code doctor --pid} says of an application. */
@KernelTest
class DoctorProcessKernelIT {

  @TempDir Path folder;

  /** {@return what it says, on one line} */
  private String doctor(long pid, int exit) throws IOException {
    Command doctor = new ToolsJar(folder).shell("TOOLS doctor --pid " + pid);
    assertThat(doctor.exit()).as("%s", doctor).isEqualTo(exit);
    return (doctor.out() + doctor.err()).replaceAll("\\s+", " ");
  }

  @Test
  void threadsThatWaitAreCountedAndNamedUntilTheirNextUseOfAKey() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServedApp app = new ServedApp(folder)) {
      String _ = app.ask("threads", 2, 40);
      String _ = app.ask("watch", side.socket());
      assertThat(doctor(app.process().pid(), 1))
          .contains("keys yes v (4 bytes)", "served", "waiting no 2 threads had values before")
          .contains("-> start Java with -Dtasklocal.map=", "sharing no");
      assertThat(app.ask("get", 0)).isEqualTo("40");
      assertThat(app.ask("get", 1)).isEqualTo("41");
      assertThat(doctor(app.process().pid(), 0))
          .contains("served, shows 2 threads", "sharing yes the values of all its threads")
          .doesNotContain("waiting");
      side.kill();
      app.await("Waiting");
      assertThat(doctor(app.process().pid(), 1)).contains("map no ", "waits");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "-Dnone, --add-exports java.base/jdk.internal.misc=ALL-UNNAMED",
    "-Dtasklocal.virtualThreads=plain, it was declined by -Dtasklocal.virtualThreads=plain",
  })
  void virtualThreadsThatAreNotSeenHaveTheReason(String option, String reason) throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServedApp app = new ServedApp(folder, option)) {
      String _ = app.ask("virtual", 5);
      String _ = app.ask("watch", side.socket());
      assertThat(doctor(app.process().pid(), 1))
          .contains("virtual no 1 virtual thread has used keys", reason);
    }
  }

  @Test
  void aProcessThatCannotBeAskedIsRefusedInWords() throws Exception {
    try (ServedApp app = new ServedApp(folder)) {
      assertThat(doctor(app.process().pid(), 1)).contains("has no map", "-Dtasklocal.map=default");
    }
    Process other = new ProcessBuilder("sleep", "1000").start();
    try {
      assertThat(doctor(other.pid(), 1)).contains("is no Java program that can be asked");
    } finally {
      other.destroyForcibly().onExit().join();
    }
  }
}
