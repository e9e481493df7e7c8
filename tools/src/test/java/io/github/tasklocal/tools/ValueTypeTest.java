// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ValueTypeTest {

  private static ValueType type(String name) {
    return Objects.requireNonNull(ValueType.find(name));
  }

  private static MemorySegment longOf(long value) {
    return MemorySegment.ofArray(
        ByteBuffer.allocate(8).order(ByteOrder.nativeOrder()).putLong(value).array());
  }

  @ParameterizedTest
  @CsvSource({
    "boolean, 1, true",
    "byte, -1, -1",
    "ubyte, -1, 255",
    "short, -2, -2",
    "ushort, -2, 65534",
    "int, -3, -3",
    "uint, -3, 4294967293",
    "long, -4, -4",
    "ulong, -4, 18446744073709551612",
  })
  void wholeNumbersAreShownAndGoIntoJsonAsTheyAre(String type, long value, String text) {
    assertThat(type(type).text(longOf(value))).isEqualTo(text);
    assertThat(type(type).json(longOf(value))).hasToString(text).isNotInstanceOf(String.class);
  }

  @Test
  void numbersOfFloatingPointAreShownAsJavaShowsThem() {
    MemorySegment pi = longOf(Double.doubleToLongBits(3.25));
    assertThat(type("double").text(pi)).isEqualTo("3.25");
    assertThat(type("double").json(pi)).isEqualTo(3.25);
    assertThat(type("float").text(longOf(Float.floatToIntBits(-0.5f)))).isEqualTo("-0.5");
  }

  @Test
  void whatIsNoNumberIsAStringInJson() {
    assertThat(type("double").json(longOf(Double.doubleToLongBits(Double.NaN)))).isEqualTo("NaN");
    assertThat(type("float").json(longOf(Float.floatToIntBits(Float.POSITIVE_INFINITY))))
        .isEqualTo("Infinity");
  }

  @Test
  void aStringEndsAtItsNulAndDoesNoHarmToATerminal() {
    MemorySegment value =
        MemorySegment.ofArray("caf\u00e9\033[31m\n\0rest".getBytes(StandardCharsets.UTF_8));
    assertThat(type("string").text(value)).isEqualTo("\"caf\u00e9\\u001b[31m\\n\"");
    assertThat(type("string").json(value)).isEqualTo("caf\u00e9\033[31m\n");
  }

  @Test
  void aCharIsShownInQuotes() {
    assertThat(type("char").text(longOf('x'))).isEqualTo("'x'");
    assertThat(type("char").text(longOf(0))).isEqualTo("'\\u0000'");
    assertThat(type("char").json(longOf('x'))).isEqualTo("x");
  }

  @Test
  void bytesAreInHexadecimalAsTheyStandInMemory() {
    MemorySegment value = MemorySegment.ofArray(new byte[] {7, 0, -1});
    assertThat(type("bytes").text(value)).isEqualTo("0700ff");
    assertThat(type("bytes").json(value)).isEqualTo("0700ff");
  }

  @Test
  void manyBytesAreCutOnATerminalAndWholeInJson() {
    MemorySegment value = MemorySegment.ofArray(new byte[100]);
    assertThat(type("bytes").text(value)).isEqualTo("00".repeat(32) + "..(100 bytes)");
    assertThat(type("bytes").json(value)).isEqualTo("00".repeat(100));
  }

  @Test
  void aValueThatIsTooShortForItsTypeIsShownAsBytes() {
    assertThat(type("long").text(MemorySegment.ofArray(new byte[3]))).isEqualTo("000000");
  }

  @Test
  void aNumberIsChosenByItsSize() {
    assertThat(ValueType.number(4)).isEqualTo(ValueType.INT);
    assertThat(ValueType.number(8)).isEqualTo(ValueType.LONG);
    assertThat(ValueType.number(3)).isEqualTo(ValueType.BYTES);
  }
}
