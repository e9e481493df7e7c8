// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class JvmTest {

  private static final String PATH = Jvm.join(Jvm.classPath());

  @Test
  void aChildHasTheOptionsOfItsParent() {
    List<String> parents =
        List.of(
            "-XX:+UseZGC",
            "-Xmx1g",
            "-javaagent:jacoco.jar",
            "-agentlib:jdwp=transport=dt_socket",
            "-Dsurefire.test.class.path=x",
            "-Dtasklocal.slotBytes=128",
            "-Djava.io.tmpdir=/scratch");
    assertThat(Jvm.options(parents, List.of("-Xint")))
        .containsExactly(
            "-XX:+UseZGC",
            "-Xmx1g",
            "-Dtasklocal.slotBytes=128",
            "-Djava.io.tmpdir=/scratch",
            "-Xint");
    assertThat(Jvm.shortLived(parents)).containsExactly("-XX:TieredStopAtLevel=1");
  }

  @Test
  void aCollectorThatAChildNeedsReplacesThatOfItsParent() {
    assertThat(Jvm.options(List.of("-XX:+UseZGC", "-ea"), List.of("-XX:+UseSerialGC")))
        .containsExactly("-ea", "-XX:+UseSerialGC");
    assertThat(Jvm.shortLived(List.of("-ea")))
        .containsExactly("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");
  }

  @Test
  void aChildRunsItsClassToItsEnd() {
    Jvm.Result result = Jvm.run(Jvm.command(List.of(), PATH, Family.class, "say", "hello"));
    assertThat(result.output()).isEqualTo("hello\n");
    assertThat(result.exit()).isZero();
  }

  @Test
  void aChildWhoseParentIsKilledEndsByItself() throws Exception {
    Process parent = Jvm.start(Jvm.command(List.of(), PATH, Family.class, "parent"));
    try (Jvm.Deadline _ = new Jvm.Deadline(parent);
        BufferedReader said = parent.inputReader(StandardCharsets.UTF_8)) {
      ProcessHandle child = ProcessHandle.of(Long.parseLong(said.readLine())).orElseThrow();
      Await.change("the child's end", () -> !child.isAlive(), parent::destroyForcibly);
    }
  }

  @Test
  void aChildThatDoesNotEndIsKilledWithWhatItHasStartedAndItsStacksAreReported() throws Exception {
    Process parent = Jvm.start(Jvm.command(List.of(), PATH, Family.class, "parent"));
    try (BufferedReader said = parent.inputReader(StandardCharsets.UTF_8)) {
      ProcessHandle child = ProcessHandle.of(Long.parseLong(said.readLine())).orElseThrow();
      try (Jvm.Deadline deadline = new Jvm.Deadline(parent, Duration.ofMillis(500))) {
        Await.until("the end of both", () -> !parent.isAlive() && !child.isAlive());
        assertThat(deadline.killed()).isTrue();
        assertThat(deadline.late())
            .contains("had not ended after")
            .contains("Family.rest(Family.java");
        Path socket = Path.of("/tmp/.java_pid" + parent.pid());
        Await.until("no socket that it has left", () -> Files.notExists(socket));
      }
    }
  }

  @Test
  void whatCannotBeStartedIsNamed() {
    assertThatThrownBy(() -> Jvm.run(List.of("/no/such/command")))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("/no/such/command");
  }
}
