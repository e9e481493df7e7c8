// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import static io.github.tasklocal.junit.TaskLocalAssertions.assertSeen;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.kit.junit.KernelTest;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The key that only Java sees. It takes all keys of a process: this class has one of its own. */
@KernelTest
@ExtendWith(TaskLocalExtension.class)
class LastKeyKernelIT {

  @Test
  void theKeyThatNoBpfProgramSeesIsNotSeen() {
    List<TaskLocal.OfInt> keys = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      keys.add(TaskLocal.of("key" + i, ValueLayout.JAVA_INT));
      keys.get(i).set(i);
    }
    assertSeen(Thread.currentThread(), keys.get(62), 62);
    assertThat(keys.get(63).get()).isEqualTo(63);
    assertThatThrownBy(() -> assertSeen(Thread.currentThread(), keys.get(63), 63))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("the key is not among the first 63");
  }
}
