// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Random lives of threads, keys, maps and pins; {@code -Dtasklocal.seed} repeats a run. */
@KernelTest
class LifecycleModelKernelIT {

  private static final int STEPS = 100_000;

  @Test
  void aHundredThousandRandomStepsAreAsTheModelSays(@TempDir Path folder) throws IOException {
    long seed = Long.getLong("tasklocal.seed", new Random().nextLong());
    System.out.println("lifecycle model: -Dtasklocal.seed=" + seed);
    List<String> arguments = new ArrayList<>();
    for (Wire wire : Wire.values()) {
      Path each = Files.createDirectory(folder.resolve(wire.name()));
      arguments.add(BpfView.compile(each, wire).toString());
    }
    try (Bpffs bpffs = new Bpffs("rwx------")) {
      arguments.addAll(
          0, List.of(String.valueOf(seed), String.valueOf(STEPS), bpffs.folder().toString()));
      Jvm.Result result =
          Jvm.run(
              Children.mainCommand(
                  LifecycleModel.class, List.of("-Xmx128m"), arguments.toArray(String[]::new)));
      System.out.print(result.output());
      assertThat(result.exit()).as("seed %d: %s", seed, result.output()).isZero();
      assertThat(result.output()).contains(STEPS + " steps");
    }
  }
}
