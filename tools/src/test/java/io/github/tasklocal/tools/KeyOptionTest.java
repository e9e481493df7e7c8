// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.TypeConversionException;

class KeyOptionTest {

  private static KeyOption option(String text) {
    return new KeyOption.Converter().convert(text);
  }

  @ParameterizedTest
  @EnumSource(ValueType.class)
  void anyTypeCanFollowTheName(ValueType type) {
    KeyOption key = option("http.tenant:" + type);
    assertThat(key.name()).isEqualTo("http.tenant");
    assertThat(key.type()).isEqualTo(type);
    assertThat(key).hasToString("http.tenant:" + type);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "a:b", "a:b:Int", "int", ":", "a:"})
  void aNameWithoutATypeIsTakenAsItIs(String name) {
    assertThat(option(name)).isEqualTo(new KeyOption(name, null));
  }

  @Test
  void aNameWithColonsCanHaveATypeToo() {
    assertThat(option("a:int:long")).isEqualTo(new KeyOption("a:int", ValueType.LONG));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", ":int", "a\0b"})
  void aNameThatNoKeyCanHaveIsRefused(String name) {
    assertThatThrownBy(() -> option(name))
        .isInstanceOf(TypeConversionException.class)
        .hasMessageContaining("1 to 61 bytes");
  }

  @Test
  void theLongestNameHas61BytesOfUtf8() {
    assertThat(option("\u00e4".repeat(30) + "a").name()).hasSize(31);
    assertThatThrownBy(() -> option("\u00e4".repeat(31)))
        .isInstanceOf(TypeConversionException.class)
        .hasMessageContaining("has 62 bytes");
  }
}
