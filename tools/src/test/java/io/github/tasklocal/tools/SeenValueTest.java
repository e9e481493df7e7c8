// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SeenValueTest {

  private static SeenValue read(int size, String bytes, ValueType type, Map<String, String> names) {
    MemorySegment value = Arena.ofAuto().allocate(SeenValue.BYTES, 8);
    value.set(JAVA_INT, 0, size);
    byte[] content = bytes.getBytes(StandardCharsets.UTF_8);
    MemorySegment.copy(content, 0, value, JAVA_BYTE, 8, content.length);
    return SeenValue.read(value, new KeyOption("key", type), names);
  }

  private static SeenValue string(int size, String bytes) {
    return read(size, bytes, ValueType.STRING, Map.of());
  }

  @ParameterizedTest
  @ValueSource(strings = {"(no entry)", "(no key)", "(other values)", "(not sampled)", ""})
  void aStringIsInQuotesAndLooksLikeNothingElse(String text) {
    SeenValue value = string(20, text);
    assertThat(value.text()).isEqualTo('"' + text + '"');
    assertThat(value.json()).isEqualTo(text);
    assertThat(value.isValue()).isTrue();
  }

  @Test
  void quotesInAStringDoNotEndIt() {
    assertThat(string(20, "a\" -> \"b").text()).isEqualTo("\"a\\\" -> \\\"b\"");
    assertThat(string(20, "a\\\n").text()).isEqualTo("\"a\\\\\\n\"");
  }

  @Test
  void aValueThatIsSeenInPartSaysHowLongItIs() {
    String seen = "x".repeat(64);
    assertThat(string(64, seen).text()).isEqualTo('"' + seen + '"');
    assertThat(string(128, seen).text()).isEqualTo('"' + seen + "\"..(128 bytes)");
    assertThat(string(128, "it ends").text()).isEqualTo("\"it ends\"");
    assertThat(read(64, seen, ValueType.BYTES, Map.of()).text()).isEqualTo("78".repeat(64));
    assertThat(read(65, seen, ValueType.BYTES, Map.of()).text())
        .isEqualTo("78".repeat(64) + "..(65 bytes)");
    assertThat(read(128, "", null, Map.of()).text()).isEqualTo("00".repeat(64) + "..(128 bytes)");
  }

  @Test
  void aNameIsForTheValueAsItStandsInTheFile() {
    Map<String, String> names = Map.of("acme", "Acme Corporation", "7", "interactive");
    assertThat(read(8, "acme", ValueType.STRING, names).text()).isEqualTo("Acme Corporation");
    assertThat(read(1, "\7", ValueType.BYTE, names).text()).isEqualTo("interactive");
    assertThat(read(8, "7", ValueType.STRING, names).text()).isEqualTo("interactive");
    assertThat(read(8, "other", ValueType.STRING, names).text()).isEqualTo("\"other\"");
  }

  @Test
  void whatIsNoValueIsInBrackets() {
    for (int size = -3; size <= 0; size++) {
      SeenValue value = string(size, "");
      assertThat(value.text()).matches("\\(.+\\)");
      assertThat(value.isValue()).isFalse();
      assertThat(value.json()).isNull();
    }
    assertThat(read(4, "", ValueType.LONG, Map.of()).text()).isEqualTo("(4 bytes, no long)");
  }
}
