// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Values of virtual threads, as BPF sees them. */
@KernelTest
class VirtualThreadKernelIT {

  private static final String CONSENT = "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED";

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource
  void javaAndBpfAgreeAfterEachWayToBlock(Wire wire) {
    Jvm.Result result = run(wire, 300, 60, false, List.of(CONSENT));
    assertThat(result.output()).contains("all agree").contains("unseen 0, failures 0");
    assertThat(result.exit()).isZero();
  }

  @Test
  void stackTracesDoNotDisturbThem() {
    Jvm.Result result =
        run(
            Wire.A,
            300,
            60,
            true,
            List.of(
                CONSENT,
                "-Djdk.virtualThreadScheduler.parallelism=8",
                "-Djdk.virtualThreadScheduler.maxPoolSize=64"));
    assertThat(result.output()).contains("all agree").contains("unseen 0, failures 0");
    assertThat(result.exit()).isZero();
  }

  private Jvm.Result run(Wire wire, int threads, int rounds, boolean traced, List<String> options) {
    return Jvm.run(
        Jvm.command(
            new ArrayList<>(options),
            Jvm.join(Jvm.classPath()),
            VirtualThreadChild.class,
            BpfView.compile(folder, wire).toString(),
            wire.name(),
            String.valueOf(threads),
            String.valueOf(rounds),
            String.valueOf(new Random().nextInt()),
            String.valueOf(traced)));
  }
}
