// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class TextHintTest {

  private static final KeyOption KEY = new KeyOption("tenant", null);

  private static int bytes(String text) {
    return TextHint.textBytes(MemorySegment.ofArray(Arrays.copyOf(text.getBytes(UTF_8), 8)));
  }

  private static int bytes(long number) {
    return TextHint.textBytes(
        MemorySegment.ofArray(ByteBuffer.allocate(8).putLong(Long.reverseBytes(number)).array()));
  }

  private static TextHint seen(int... values) {
    TextHint hint = new TextHint();
    Arrays.stream(values).forEach(hint::see);
    return hint;
  }

  @Test
  void textHasBytesAndOtherValuesHaveNot() {
    assertThat(bytes("")).isZero();
    assertThat(bytes("acme")).isEqualTo(4);
    assertThat(bytes("globexco")).isEqualTo(8);
    assertThat(bytes("zürich")).isEqualTo(7);
    assertThat(bytes("a\0b")).isNegative();
    assertThat(bytes("a\nb")).isNegative();
    for (long number :
        new long[] {1, -1, 1000, 1L << 40, 0xffff_0000L, 132_376_838_499_431L | 128}) {
      assertThat(bytes(number)).as("%d", number).isNegative();
    }
    assertThat(bytes(132_376_838_499_431L)).isEqualTo(6);
  }

  @Test
  void theTypeIsNamedIfAllValuesAreText() {
    String hint = "the values look like text, which --key tenant:string shows";
    assertThat(seen(0, bytes("acme"), bytes("a")).about(KEY)).isEqualTo(hint);
    assertThat(seen().about(KEY)).isNull();
    assertThat(seen(0).about(KEY)).isNull();
    assertThat(seen(bytes("7"), bytes("42")).about(KEY)).isNull(); // or small numbers
    assertThat(seen(bytes("acme"), bytes(5)).about(KEY)).isNull();
    assertThat(seen(bytes("acme")).about(new KeyOption("tenant", ValueType.LONG))).isNull();
  }
}
