// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.testkit.engine.EventConditions.finishedWithFailure;
import static org.junit.platform.testkit.engine.TestExecutionResultConditions.instanceOf;
import static org.junit.platform.testkit.engine.TestExecutionResultConditions.message;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.platform.testkit.engine.Events;

/** What works without BPF. */
class PlainTest {

  private static Events run(Class<?> tests, String bpf) {
    return Samples.run(tests, Map.of(TaskLocalExtension.PARAMETER, bpf)).testEvents();
  }

  @Test
  void valuesAreZeroInTheNextTest() {
    run(Samples.Leaving.class, "off").assertStatistics(events -> events.succeeded(5));
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void theValueOfAnotherThreadIsCompared() {
    run(Samples.Other.class, "off").assertStatistics(events -> events.succeeded(1));
  }

  @Test
  void aParameterThatSaysNothingIsRefused() {
    Events events = run(Samples.Other.class, "sometimes");
    assertThat(events.failed().list()).hasSize(1);
    events
        .failed()
        .assertThatEvents()
        .haveExactly(
            1,
            finishedWithFailure(
                instanceOf(ExtensionConfigurationException.class),
                message("tasklocal.bpf is \"sometimes\": it can be auto, required or off")));
  }

  @Test
  void aTestWithoutTheExtensionIsToldToHaveIt() {
    run(Samples.Without.class, "off")
        .failed()
        .assertThatEvents()
        .haveExactly(
            1,
            finishedWithFailure(
                instanceOf(IllegalStateException.class),
                message(text -> text.contains("@ExtendWith(TaskLocalExtension.class)"))));
  }
}
