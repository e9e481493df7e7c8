// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit.junit;

import io.github.tasklocal.kit.Need;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.util.Map;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A test that loads BPF programs; skipped, with the reason, where that cannot be. */
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(KernelTest.Condition.class)
public @interface KernelTest {

  /** What the machine has to have. */
  final class Condition implements ExecutionCondition {

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      Map<Need, String> unmet = Need.unmet(Need.KERNEL);
      return unmet.isEmpty()
          ? ConditionEvaluationResult.enabled("nothing is lacking")
          : ConditionEvaluationResult.disabled(String.join("; ", unmet.values()));
    }
  }
}
