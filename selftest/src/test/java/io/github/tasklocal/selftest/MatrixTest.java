// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.selftest.Result.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MatrixTest {

  @TempDir private Path folder;

  @Test
  void putsKernelsSideBySide() throws IOException {
    Path old = run("6.12.1-cloud", "UPTR", 0, test("a", "A", "skipped", "no uptr", "UPTR"));
    Path newer =
        run(
            "7.2.1",
            "",
            1,
            test("a", "A", "passed", "", "UPTR"),
            test("a", "B", "failed", "two\nlines", "UPTR"),
            test("b", null, "passed", ""));
    Matrix matrix = Matrix.of(List.of(old, newer));
    assertThat(matrix.text().lines().map(line -> line.replaceAll(" +", " ")))
        .contains(
            "| kernel | 6.12.1 | 7.2.1 |",
            "| libbpf | 1.1 | 1.1 |",
            "| JDK | 25.0.3 | 25.0.3 |",
            "| a | skipped | 1 ok, 1 FAILED |",
            "| b | | ok |",
            "- 7.2.1: a, wire B: two",
            "- 6.12.1: no uptr")
        .endsWith("4 passed, 1 failed, 1 skipped");
  }

  @Test
  void failsASkipOnAKernelThatHasWhatTheTestNeeds() throws IOException {
    Path run =
        run(
            "6.18",
            "SCHED_EXT",
            0,
            test("a", "A", "skipped", "no uptr", "ROOT", "UPTR"),
            test("b", null, "skipped", "no sched_ext", "ROOT", "SCHED_EXT"),
            test("c", null, "skipped", "no reason"));
    Matrix matrix = Matrix.of(List.of(run));
    assertThat(matrix.count(Outcome.SKIPPED)).isEqualTo(1);
    assertThat(matrix.count(Outcome.FAILED)).isEqualTo(2);
    assertThat(matrix.text())
        .contains("a, wire A: skipped, although this kernel has all that it needs: no uptr");
  }

  @Test
  void failsAMachineThatDoesNotRunToItsEnd() throws IOException {
    Path before = folder("none");
    Files.writeString(before.resolve("run.properties"), "kernel=9.9\nstatus=125\n");
    assertThat(Matrix.of(List.of(before)).text())
        .contains("it ended with status 125 before the selftest did: see " + before)
        .endsWith("0 passed, 1 failed, 0 skipped\n");
    Files.writeString(before.resolve("log"), "vm: no such kernel\n\n  | console\n");
    assertThat(Matrix.of(List.of(before)).text())
        .contains("before the selftest did, saying \"vm: no such kernel\": see " + before);
    Path after = run("7.3", "", 124, test("a", null, "passed", ""));
    assertThat(Matrix.of(List.of(after)).text())
        .contains("it ended with status 124 after the selftest");
  }

  @Test
  void countsTheChecksOfTheSchedulerScript() throws IOException {
    Path run = run("7.2", "", 0, test("a", null, "passed", ""));
    Files.writeString(run.resolve("sched.log"), "ok 1 - x\nnot ok 2 - y\n# why\nok 3 - x\n");
    Files.writeString(run.resolve("run.properties"), "kernel=7.2\nsched=1\nlacking=\nstatus=0\n");
    assertThat(Matrix.of(List.of(run)).text())
        .contains("sched: y: see " + run)
        .endsWith("5 passed, 1 failed, 0 skipped\n");
    Files.writeString(run.resolve("sched.log"), "ok 1 - x\n");
    assertThat(Matrix.of(List.of(run)).text()).contains("test-sched runs to its end: it ended");
  }

  private Path folder(String name) throws IOException {
    return Files.createDirectory(folder.resolve(name));
  }

  private Path run(String kernel, String lacking, int status, String... tests) throws IOException {
    Path run = folder(kernel);
    // As the script writes it; a later line overrides an earlier one.
    Files.writeString(
        run.resolve("run.properties"),
        "kernel=backports\nkernel=%s\nstarts=1\nlacking=%s\nseconds=9\nstatus=%d\n"
            .formatted(kernel, lacking, status));
    Files.writeString(
        run.resolve("selftest.json"),
        """
        {"environment": {"libbpf": "v1.1", "jdk": "25.0.3+9-LTS, Vendor"}, "tests": [%s]}
        """
            .formatted(String.join(",", tests)));
    return run;
  }

  private static String test(
      String name, String wire, String outcome, String message, String... needs) {
    return """
    {"name": "%s", "wire": %s, "outcome": "%s", "message": "%s", "needs": [%s]}\
    """
        .formatted(
            name,
            wire == null ? null : '"' + wire + '"',
            outcome,
            message.replace("\n", "\\n"),
            Stream.of(needs).map(need -> '"' + need + '"').collect(Collectors.joining(",")));
  }
}
