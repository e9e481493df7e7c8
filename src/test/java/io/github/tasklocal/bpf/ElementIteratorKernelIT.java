// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.github.tasklocal.Clang;
import io.github.tasklocal.error.ObjectLoadException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Iterators over the elements of a map. Some kernels refuse these even to root and before they
 * verify them, but allow iterators over tasks.
 */
@KernelTest
class ElementIteratorKernelIT {

  private static Path file;
  private static BpfObject object;

  @BeforeAll
  static void load(@TempDir Path folder) {
    file = Clang.compile(folder, "elements");
    try {
      object = BpfObject.load(file);
    } catch (ObjectLoadException e) {
      assumeFalse(
          e.getMessage().contains("(EPERM)") && e.log().contains("processed 0 insns"),
          "this kernel refuses iter/bpf_map_elem without a look at it (EPERM)");
      throw e;
    }
  }

  @AfterAll
  static void close() {
    if (object != null) {
      object.close();
    }
  }

  @Test
  void itGoesOverNothingWithoutAMap() {
    assertThatThrownBy(() -> object.program("elements").iterate())
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("elements", "the elements of a map", "iterate(map)");
  }

  @Test
  void everyElementOfAHashTableIsSeenOnce() {
    assertThat(object.program("fill").run()).isZero();
    Map<Long, Long> expected = new HashMap<>();
    for (long i = 0; i < 1000; i++) {
      expected.put(i, i * i);
    }
    assertThat(pairs("squares")).isEqualTo(expected);
  }

  @Test
  void everyElementOfAPerCpuArrayIsSeenOnce() {
    assertThat(object.program("fill").run()).isZero();
    assertThat(pairs("per_cpu")).isEqualTo(Map.of(0L, 100L, 1L, 101L, 2L, 102L));
  }

  private static Map<Long, Long> pairs(String map) {
    MemorySegment pairs = object.program("elements").iterate(object.map(map));
    Map<Long, Long> found = new HashMap<>();
    for (long at = 0; at < pairs.byteSize(); at += 16) {
      Long before = found.put(pairs.get(JAVA_LONG, at), pairs.get(JAVA_LONG, at + 8));
      assertThat(before).as("seen before").isNull();
    }
    return found;
  }

  @Test
  void aMapThatTheProgramCannotGoOverIsRefused() {
    BpfProgram elements = object.program("elements");
    assertThatThrownBy(() -> elements.iterate(object.map("ring")))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("map ring with program elements", "type, 27", "hash tables");
    assertThatThrownBy(() -> elements.iterate(object.map("narrow")))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("map narrow with program elements", "2 and 2 bytes");
    assertThatThrownBy(() -> object.program("tasks").iterate(object.map("squares")))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("squares", "tasks", "it goes over no map", "iter/bpf_map_elem");
    assertThatThrownBy(() -> object.program("no_iterator").iterate(object.map("squares")))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContaining("its section is syscall");
    try (BpfObject other = BpfObject.load(file)) {
      BpfMap squares = other.map("squares");
      assertThatThrownBy(() -> elements.iterate(squares))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContainingAll("squares", "a map of the program's object");
    }
  }

  @Test
  void noDescriptorIsLeftBehind() throws IOException {
    assertThat(object.program("fill").run()).isZero();
    assertThat(pairs("per_cpu")).hasSize(3);
    int before = Descriptors.count();
    for (int i = 0; i < 100; i++) {
      assertThat(pairs("per_cpu")).hasSize(3);
    }
    assertThat(Descriptors.count()).isEqualTo(before);
  }
}
