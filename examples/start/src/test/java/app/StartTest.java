// SPDX-License-Identifier: Apache-2.0
package app;

import static io.github.tasklocal.junit.TaskLocalAssertions.assertSeen;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.junit.TaskLocalExtension;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(TaskLocalExtension.class)
class StartTest {

  @Test
  void urgentWorkHasItsPriority() {
    assertSeen(Thread.currentThread(), Start.PRIORITY, 0);
    Start.urgently(() -> assertSeen(Thread.currentThread(), Start.PRIORITY, 7));
    assertSeen(Thread.currentThread(), Start.PRIORITY, 0);
  }

  @Test
  void theProgramSeesThePriority() throws Exception {
    try {
      assertEquals(7, Start.seenByTheKernel());
    } catch (NotPermittedException | NotSupportedException e) {
      Assumptions.abort(e.getMessage()); // no root, or a kernel without what this needs
    }
  }
}
