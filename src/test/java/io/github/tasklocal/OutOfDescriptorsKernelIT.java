// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A process that has no file descriptor left: it would need one to tell whether a thread has ended.
 */
@KernelTest
class OutOfDescriptorsKernelIT {

  @ParameterizedTest
  @EnumSource
  void aThreadThatCannotBeLookedAtHasNotEnded(Wire wire, @TempDir Path folder) {
    String object = BpfView.compile(folder, wire).toString();
    List<String> command = new ArrayList<>(List.of("sh", "-c", "ulimit -n 200; exec \"$@\"", "sh"));
    command.addAll(
        Children.mainCommand(LifecycleChild.class, List.of(), "descriptors", object, wire.name()));
    Jvm.Result result = Jvm.run(command);
    assertThat(result.exit()).as(result.output()).isZero();
    List<String> lines = result.output().lines().toList();
    String right = ": get 41, BPF 41, 1 registered, 0 not, alive true";
    assertThat(lines).contains("before" + right, "after" + right, "later" + right);
    assertThat(lines)
        .filteredOn(line -> line.startsWith("without: "))
        .hasSize(6)
        .allSatisfy(
            line ->
                assertThat(line)
                    .startsWith("without: KernelException: ")
                    .contains("ulimit -n")
                    .doesNotContain("has ended"));
  }
}
