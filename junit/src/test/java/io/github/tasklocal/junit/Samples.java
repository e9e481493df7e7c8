// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import static io.github.tasklocal.junit.TaskLocalAssertions.assertSeen;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.platform.testkit.engine.EngineExecutionResults;
import org.junit.platform.testkit.engine.EngineTestKit;

/** Tests of users, which the tests here run. */
final class Samples {

  static final TaskLocal.OfInt PRIORITY = TaskLocal.of("sample_priority", ValueLayout.JAVA_INT);

  private Samples() {}

  /** Runs the tests of a class, with more parameters. */
  static EngineExecutionResults run(Class<?> tests, Map<String, String> parameters) {
    return EngineTestKit.engine("junit-jupiter")
        .selectors(selectClass(tests))
        .configurationParameters(parameters)
        .execute();
  }

  /** Each leaves a value behind, on the same thread. */
  @ExtendWith(TaskLocalExtension.class)
  static class Leaving {

    @RepeatedTest(5)
    void leavesAValue() {
      assertEquals(0, PRIORITY.get());
      PRIORITY.set(7);
      assertSeen(Thread.currentThread(), PRIORITY, 7);
    }
  }

  /** Run at the same time. */
  @ExtendWith(TaskLocalExtension.class)
  @Execution(ExecutionMode.CONCURRENT)
  static class AtOnce {

    @RepeatedTest(5)
    void seesItsOwn() {
      int value = System.identityHashCode(this);
      PRIORITY.set(value);
      assertSeen(Thread.currentThread(), PRIORITY, value);
    }
  }

  /** Looks at another thread. */
  @ExtendWith(TaskLocalExtension.class)
  static class Other {

    @Test
    void seesAnotherThread() throws InterruptedException {
      try (Worker worker = new Worker(() -> PRIORITY.set(9))) {
        assertSeen(worker.thread(), PRIORITY, 9);
      }
    }
  }

  /** Has no extension. */
  static class Without {

    @Test
    void hasNoMap() {
      assertSeen(Thread.currentThread(), PRIORITY, 0);
    }
  }
}
