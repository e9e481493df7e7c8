// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Threads that share pages, in JVMs that are started with -Dtasklocal.slotBytes. */
@KernelTest
class PackedKernelIT {

  @ParameterizedTest
  @ValueSource(ints = {128, 256, 2048})
  void threadsThatSharePagesExchangeTheirOwnValues(int slot, @TempDir Path folder)
      throws Exception {
    List<String> arguments = new ArrayList<>(List.of(String.valueOf(slot)));
    for (Wire wire : Wire.values()) {
      Path each = Files.createDirectory(folder.resolve(wire.name()));
      arguments.add(BpfView.compile(each, wire).toString());
    }
    Jvm.Result result =
        Jvm.run(
            Children.mainCommand(
                PackedChild.class,
                List.of("-Dtasklocal.slotBytes=" + slot),
                arguments.toArray(String[]::new)));
    assertThat(result.output())
        .contains("the slot of a thread has 0 left of " + (slot - DataPage.START))
        .contains("start java with a larger -Dtasklocal.slotBytes than " + slot)
        .contains("threads share pages (-Dtasklocal.slotBytes=" + slot + "), and its wire, B, has")
        .contains("use a BPF program of wire A or C")
        .endsWith("ok\n");
    int pages =
        Integer.parseInt(
            result
                .output()
                .lines()
                .filter(line -> line.startsWith("pages "))
                .findFirst()
                .orElseThrow()
                .substring("pages ".length()));
    // 300 threads, and the one that asks; a block more, since pages come in blocks.
    assertThat(pages).isLessThanOrEqualTo(301 * slot / 4096 + 17);
  }

  @ParameterizedTest
  @ValueSource(strings = {"100", "32", "4096", "many", ""})
  void aSizeThatNoSlotCanHaveIsRefusedByTheFirstKey(String size) {
    Jvm.Result result =
        Jvm.run(
            Children.mainCommand(
                ChildSteps.class, List.of("-Dtasklocal.slotBytes=" + size), "keys"));
    assertThat(result.exit()).isNotZero();
    assertThat(result.output())
        .contains("IllegalArgumentException")
        .contains("tasklocal.slotBytes is \"" + size + "\"")
        .contains("to 2048")
        .contains("start java with -Dtasklocal.slotBytes=128, or without it");
  }

  @Test
  void keysWorkAsThreadMemoryInASlot() {
    Jvm.Result result =
        Jvm.run(
            Children.mainCommand(ChildSteps.class, List.of("-Dtasklocal.slotBytes= 256 "), "keys"));
    assertThat(result.output()).isEqualTo("ok\n");
  }
}
