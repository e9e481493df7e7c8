// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@KernelTest
class TaskLocalScopeKernelIT {

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);

  @ParameterizedTest
  @EnumSource
  void bpfSeesTheValueInsideAndWhatItWritesThereIsOverwrittenAtTheEnd(
      Wire wire, @TempDir Path folder) {
    try (BpfView view = BpfView.load(BpfView.compile(folder, wire), wire);
        TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      int tid = Libc.currentTid();
      VALUE.set(1);
      VALUE
          .with(2)
          .run(
              () -> {
                assertThat(view.of(tid)).isEqualTo(2);
                assertThat(view.write(tid, 0, 3)).isEqualTo(3);
                assertThat(VALUE.get()).isEqualTo(3);
              });
      assertThat(view.of(tid)).isEqualTo(1);
      assertThat(map.failures()).isZero();
    }
  }
}
