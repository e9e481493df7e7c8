// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class LibBpfLogTest {

  private static final String REFUSED =
      """
      libbpf: prog 'careless': BPF program load failed: Permission denied
      libbpf: prog 'careless': -- BEGIN PROG LOAD LOG --
      0: R1=ctx() R10=fp0
      ; return *value; @ careless.bpf.c:18
      7: (79) r0 = *(u64 *)(r0 +0)
      R0 invalid mem access 'map_value_or_null'
      processed 8 insns (limit 1000000) max_states_per_insn 0
      -- END PROG LOAD LOG --
      libbpf: prog 'careless': failed to load: -13
      libbpf: failed to load object 'object'
      """;

  @Test
  void theLastLinesOfTheVerifierBeforeItsStatisticsAreTheSummary() {
    assertThat(LibBpfLog.summary(REFUSED))
        .isEqualTo(
            ": ; return *value; @ careless.bpf.c:18 | 7: (79) r0 = *(u64 *)(r0 +0)"
                + " | R0 invalid mem access 'map_value_or_null'");
  }

  @Test
  void whatNewerKernelsExplainStaysInTheLog() {
    String explained =
        REFUSED.replace(
            "processed 8 insns",
            """
            Verification failed: Register Type Safety: Invalid dereference
            Reason:
              R0 may be NULL here
            Suggestion:
              Add a check
            processed 8 insns""");
    assertThat(LibBpfLog.summary(explained)).isEqualTo(LibBpfLog.summary(REFUSED));
  }

  @Test
  void theVerifiersLogNamesTheProgram() {
    assertThat(LibBpfLog.fromVerifier(REFUSED)).isTrue();
    assertThat(LibBpfLog.refusedProgram(REFUSED)).isEqualTo("the program careless");
    assertThat(LibBpfLog.refusedProgram("-- BEGIN PROG LOAD LOG --")).isEqualTo("it");
    assertThat(LibBpfLog.cure(REFUSED)).contains("log()");
  }

  @Test
  void aMissingLicenceHasACureOfItsOwn() {
    assertThat(
            LibBpfLog.cure("cannot call GPL-restricted function from non-GPL compatible program"))
        .contains("SEC(\"license\")");
  }

  @Test
  void whatLibbpfSaysIsToldWithoutItsName() {
    String log = "libbpf: elf: invalid section header\n\n";
    assertThat(LibBpfLog.summary(log)).isEqualTo(": elf: invalid section header");
    assertThat(LibBpfLog.fromVerifier(log)).isFalse();
  }

  @Test
  void aLongLogIsCutToThreeLines() {
    String log =
        IntStream.range(0, 100).mapToObj(i -> "line " + i).collect(Collectors.joining("\n"));
    assertThat(LibBpfLog.summary(log)).isEqualTo(": line 97 | line 98 | line 99");
  }

  @Test
  void anEmptyLogAddsNothing() {
    assertThat(LibBpfLog.summary("")).isEmpty();
    assertThat(LibBpfLog.summary("\n \n")).isEmpty();
    assertThat(LibBpfLog.summary("processed 8 insns\n")).isEmpty();
  }
}
