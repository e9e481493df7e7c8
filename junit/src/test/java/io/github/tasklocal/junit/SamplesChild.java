// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import java.util.Map;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.testkit.engine.Events;

/** Runs a test of a user in a process of its own. */
final class SamplesChild {

  private SamplesChild() {}

  public static void main(String[] args) {
    Events events =
        Samples.run(Samples.Other.class, Map.of(TaskLocalExtension.PARAMETER, args[0]))
            .testEvents();
    System.out.printf(
        "%d passed, %d failed%n", events.succeeded().count(), events.failed().count());
    events
        .failed()
        .map(each -> each.getRequiredPayload(TestExecutionResult.class).getThrowable())
        .forEach(System.out::println);
  }
}
