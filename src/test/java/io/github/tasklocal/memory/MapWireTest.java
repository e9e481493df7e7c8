// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.layout.Wire;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which wire a map has: what decides that if its BTF can be read, and if it cannot. */
class MapWireTest {

  /** The kernel truncates names to 15 bytes. */
  private static String cut(String name) {
    return name.substring(0, Math.min(15, name.length()));
  }

  private static Wire wireOf(int size, String name, Wire named, String valueType) {
    return MapWire.of("/pin (\"" + name + "\")", 29, size, cut(name), named, valueType);
  }

  private static AbstractThrowableAssert<?, ?> refused(
      int size, String name, Wire named, String valueType) {
    return assertThatThrownBy(() -> wireOf(size, name, named, valueType))
        .isExactlyInstanceOf(WrongObjectException.class)
        .hasMessageStartingWith("open map /pin")
        .hasMessageContaining("values of " + size + " bytes")
        .hasMessageContaining("open the map task_local_data_map or tld_data_map");
  }

  @ParameterizedTest
  @EnumSource
  void sizeAndStructDecideWhateverTheName(Wire wire) {
    assertThat(wireOf(wire.valueSize(), wire.mapName(), null, wire.valueType())).isEqualTo(wire);
    assertThat(wireOf(wire.valueSize(), "renamed", null, wire.valueType())).isEqualTo(wire);
    assertThat(wireOf(wire.valueSize(), "renamed", wire, wire.valueType())).isEqualTo(wire);
  }

  @ParameterizedTest
  @EnumSource
  void theRightSizeUnderAnotherStructIsRefused(Wire wire) {
    for (Wire named : new Wire[] {null, wire}) {
      refused(wire.valueSize(), wire.mapName(), named, "hint")
          .hasMessageContaining("struct hint")
          .hasMessageContaining("wire " + wire + " has struct " + wire.valueType());
      refused(wire.valueSize(), wire.mapName(), named, "").hasMessageContaining("no struct");
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"B", "C"})
  void whereBtfCannotBeReadTheNameOfBAndCDecides(Wire wire) {
    assertThat(wireOf(wire.valueSize(), "tld_data_map", null, null)).isEqualTo(wire);
    assertThat(wireOf(wire.valueSize(), "renamed", wire, null)).isEqualTo(wire);
    unknown(wire.valueSize(), "renamed", wire);
    unknown(wire.valueSize(), "tld_data_mapper", wire);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"task_local_data_map", "task_local_data_off_map", "scx_layered_task_hint_map"})
  void whereBtfCannotBeReadTheCallerNamesWireA(String name) {
    unknown(32, name, Wire.A);
    assertThat(wireOf(32, name, Wire.A, null)).isEqualTo(Wire.A);
  }

  private static void unknown(int size, String name, Wire likely) {
    assertThatThrownBy(() -> wireOf(size, name, null, null))
        .isExactlyInstanceOf(NotPermittedException.class)
        .hasMessageContaining("values of " + size + " bytes")
        .hasMessageContaining("CAP_SYS_ADMIN")
        .hasMessageContaining("-Dtasklocal.map.wire=" + likely + " ")
        .hasMessageEndingWith("Wire." + likely + ")");
  }

  static Stream<Arguments> mismatches() {
    return Stream.of(Wire.values())
        .flatMap(
            size ->
                Stream.of(Wire.values())
                    .filter(named -> named != size)
                    .map(named -> Arguments.of(size, named)));
  }

  @ParameterizedTest(name = "values of wire {0}, named {1}")
  @MethodSource("mismatches")
  void theNamedWireHasToHaveTheSize(Wire size, Wire named) {
    refused(size.valueSize(), size.mapName(), named, size.valueType())
        .hasMessageContaining("wire " + named + " has " + named.valueSize());
    refused(size.valueSize(), size.mapName(), named, null);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 4, 8, 15, 17, 23, 25, 31, 33, 40, 4096, -1})
  void anotherSizeIsNoWires(int size) {
    refused(size, "task_local_data_map", null, "task_local_data_map_value")
        .hasMessageContaining("32, 16 and 24");
    refused(size, "tld_data_map", Wire.B, null);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 26, 28, 30, 100})
  void anotherTypeIsNoTaskStorage(int type) {
    for (Wire wire : Wire.values()) {
      assertThatThrownBy(
              () ->
                  MapWire.of(
                      "/pin", type, wire.valueSize(), wire.mapName(), wire, wire.valueType()))
          .isExactlyInstanceOf(WrongObjectException.class)
          .hasMessageContaining("it has type " + type)
          .hasMessageContaining("no task storage (type " + KernelMap.TASK_STORAGE + ")");
    }
  }
}
