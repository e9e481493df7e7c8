// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.tasklocal.Clang;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.MemoryLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The header compiles with old and new compilers, for each instruction set, and then loads. */
@KernelTest
class HeaderKernelIT {

  private static final TaskLocal.OfInt NUMBER = TaskLocal.of("it_int", JAVA_INT);
  private static final TaskLocal.OfSegment SPAN =
      TaskLocal.of(
          "it.span",
          MemoryLayout.structLayout(
              JAVA_INT.withName("sequence"), JAVA_INT.withName("depth"), JAVA_LONG.withName("id")));

  static Stream<Arguments> combinations() {
    List<Arguments> all = new ArrayList<>();
    // 14 is the oldest that the header supports.
    for (String clang : List.of("clang-14", "clang-19", Clang.any())) {
      for (String cpu : List.of("v2", "v3")) {
        for (String alu32 : List.of("+alu32", "-alu32")) {
          for (String optimized : List.of("-O1", "-O2")) {
            for (Wire wire : Wire.values()) {
              all.add(Arguments.of(clang, cpu, alu32, optimized, wire));
            }
          }
        }
      }
    }
    return all.stream();
  }

  private static Path compile(
      Path folder, String name, String clang, String cpu, String alu32, String... flags) {
    assumeTrue(Clang.exists(clang), "no " + clang + " on PATH: install the package " + clang);
    List<String> all = new ArrayList<>(List.of(flags));
    all.addAll(List.of("-mcpu=" + cpu, "-Xclang", "-target-feature", "-Xclang", alu32));
    return Clang.compileWith(clang, folder, name, all.toArray(String[]::new));
  }

  @ParameterizedTest(name = "{0} -mcpu={1} {2} {3} wire {4}")
  @MethodSource("combinations")
  void slotsAreReadWith(
      String clang, String cpu, String alu32, String optimized, Wire wire, @TempDir Path folder) {
    Path file =
        compile(
            folder,
            "slots",
            clang,
            cpu,
            alu32,
            optimized,
            "-DTLD_SLOTS",
            "-DTLD_WIRE=TLD_WIRE_" + wire);
    try (Slots slots = new Slots(BpfObject.load(file), Clang.compile(folder, "slot_array"))) {
      slots.give(1);
      slots.key(1, 0, "record", 16);
      slots.key(1, 1, "number", 48);
      slots.page(1, 5).set(JAVA_INT, 48, 42);
      slots.enter(1, 5, Slots.START, 1);
      assertThat(slots.run("look")).isZero();
      assertThat(slots.get("number")).isEqualTo(42);
      assertThat(slots.get("checked")).isZero();
    }
  }

  @ParameterizedTest(name = "{0} -mcpu={1} {2} {3} wire {4}")
  @MethodSource("combinations")
  void theHeaderWorksWith(
      String clang, String cpu, String alu32, String optimized, Wire wire, @TempDir Path folder) {
    Path file =
        compile(folder, "values", clang, cpu, alu32, optimized, "-DTLD_WIRE=TLD_WIRE_" + wire);
    NUMBER.set(41);
    SPAN.update(span -> span.set(JAVA_LONG, 8, 0xabcdef0123456789L));
    try (BpfObject object = BpfObject.load(file);
        TaskLocalMap map = TaskLocalMap.of(object.map(wire.mapName()).fd())) {
      assertThat(map.wire()).isEqualTo(wire);
      assertThat(object.program("read_and_add").run()).isZero();
      assertThat(object.global("was").get(JAVA_INT, 0)).isEqualTo(41);
      assertThat(NUMBER.get()).isEqualTo(42);
      assertThat(object.global("span_id").get(JAVA_LONG, 0)).isEqualTo(0xabcdef0123456789L);
    }
  }
}
