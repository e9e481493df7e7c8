// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.junit.KernelTest;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@KernelTest
class ProcessOptionTest {

  /** The kernel's PID_MAX_LIMIT is less. */
  private static final int NOBODY = 4_194_305;

  @ParameterizedTest
  @ValueSource(strings = {"top", "trace"})
  void aProcessThatIsNotThereIsAFailure(String command) {
    Command result = Command.run(command, "--key", "k", "--pid", NOBODY);
    assertThat(result.exit()).isEqualTo(1);
    assertThat(result.err()).contains("there is no process " + NOBODY);
    assertThat(result.out()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"top", "trace"})
  void anIdBelow1IsABadOption(String command) {
    for (int id : new int[] {0, -1}) {
      Command result = Command.run(command, "--key", "k", "--pid", id);
      assertThat(result.exit()).isEqualTo(2);
      assertThat(result.err()).contains("at least 1, not " + id);
    }
  }
}
