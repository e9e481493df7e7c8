// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Memory;
import io.github.tasklocal.memory.ThreadPages;
import java.lang.foreign.MemoryLayout;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** A BPF program can tell whether what it has read belongs to one virtual thread. */
@KernelTest
class ExchangeMarkKernelIT {

  private static final int EAGAIN = 11;

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({"A, 4096", "B, 4096", "C, 4096", "A, 256", "C, 256"}) // wire B has no packed slots
  void valuesOfTwoThreadsAreNeverTakenForThoseOfOne(Wire wire, int slot) {
    Jvm.Result result =
        Jvm.run(
            Jvm.command(
                List.of(
                    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
                    "-D" + (slot == 4096 ? "none" : "tasklocal.slotBytes") + "=" + slot,
                    "-Djdk.virtualThreadScheduler.parallelism=1",
                    "-Djdk.virtualThreadScheduler.maxPoolSize=1"),
                Jvm.join(Jvm.classPath()),
                VirtualMixtureChild.class,
                compile(wire).toString(),
                wire.name()));
    assertThat(result.output()).contains("wrong 0, copies wrong 0").contains("failures 0");
    assertThat(result.exit()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void whileTheMarkIsSetValuesAreFoundAndNoneIsTakenForWhole(Wire wire) {
    TaskLocal.OfLong number = TaskLocal.of("number", JAVA_LONG);
    TaskLocal.OfSegment record = TaskLocal.of("record", MemoryLayout.sequenceLayout(8, JAVA_LONG));
    number.set(1);
    assertThat(record.segment().byteSize()).isEqualTo(64);
    long mark = ThreadPages.of(Thread.currentThread()).start + DataPage.SEQUENCE;
    try (BpfObject object = BpfObject.load(compile(wire));
        TaskLocalMap map = TaskLocalMap.of(object.map(wire.mapName()).fd())) {
      int before = Memory.ALL.get(JAVA_INT, mark);
      try {
        Memory.ALL.set(JAVA_INT, mark, before + 1);
        assertThat(object.program("read_current").run()).isZero();
        assertThat(found(object, "looked_up")).isEqualTo(1);
        assertThat(found(object, "checked")).isEqualTo(-EAGAIN);
        assertThat(found(object, "begun")).isEqualTo(before + 1);
        assertThat(found(object, "retry")).isNotZero();
      } finally {
        Memory.ALL.set(JAVA_INT, mark, before + 2);
      }
      assertThat(object.program("read_current").run()).isZero();
      assertThat(found(object, "checked")).isZero();
      assertThat(found(object, "begun")).isEqualTo(before + 2);
      assertThat(found(object, "retry")).isZero();
      assertThat(map.failures()).isZero();
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"B", "C"})
  void whileTheMarkIsSetProgramsThatDoNotKnowItFindValues(Wire wire) {
    TaskLocal.OfInt own = TaskLocal.of("own_header", JAVA_INT);
    own.set(7);
    long mark = ThreadPages.of(Thread.currentThread()).start + DataPage.SEQUENCE;
    Path program = Clang.compile(folder, "other_header", "-DTLD_WIRE=" + (wire == Wire.C ? 3 : 2));
    try (BpfObject object = BpfObject.load(program);
        TaskLocalMap map = TaskLocalMap.of(object.map(wire.mapName()).fd())) {
      int before = Memory.ALL.get(JAVA_INT, mark);
      try {
        Memory.ALL.set(JAVA_INT, mark, before + 1);
        assertThat(object.program("look_up").run()).isEqualTo(7);
      } finally {
        Memory.ALL.set(JAVA_INT, mark, before + 2);
      }
      assertThat(object.program("look_up").run()).isEqualTo(7);
      assertThat(map.failures()).isZero();
    }
  }

  private static int found(BpfObject object, String name) {
    return object.global(name).get(JAVA_INT, 0);
  }

  private Path compile(Wire wire) {
    return Clang.compile(folder, "mixture", "-DTLD_WIRE=TLD_WIRE_" + wire);
  }
}
