// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.layout.Wire;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DirectoryTest {

  private final MemorySegment page = MemorySegment.ofArray(new long[512]);

  private void entry(Wire wire, int index, String name, int number) {
    MemorySegment entry = page.asSlice((wire == Wire.A ? 0 : 4) + 64L * index, 64);
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    MemorySegment.copy(bytes, 0, entry, JAVA_BYTE, 0, bytes.length);
    entry.set(JAVA_SHORT.withByteAlignment(1), 62, (short) number);
  }

  private void count(int keys) {
    page.set(JAVA_SHORT, 0, (short) keys);
  }

  @Test
  void wireAHasOffsetsAndTheNextOneLimitsAValue() {
    entry(Wire.A, 0, "first", 8);
    entry(Wire.A, 1, "second", 24);
    assertThat(Directory.read(page, Wire.A).keys())
        .containsExactly(
            new Directory.Key("first", 8, 0, 16), new Directory.Key("second", 24, 0, 64));
  }

  @Test
  void theFirstKeysHaveTheRoomThatTheOthersLeave() {
    entry(Wire.A, 0, "first", 8);
    entry(Wire.A, 1, "second", 24);
    Directory directory = Directory.read(page, Wire.A);
    assertThat(directory.first(1).keys()).containsExactly(new Directory.Key("first", 8, 0, 16));
    assertThat(directory.first(-1).keys()).isEmpty();
    assertThat(directory.first(0x7fff)).isEqualTo(directory);
  }

  @ParameterizedTest
  @EnumSource(
      value = Wire.class,
      names = {"B", "C"})
  void wiresBAndCHaveSizesAndTheirSumsAreOffsets(Wire wire) {
    count(3);
    entry(wire, 0, "first", 4);
    entry(wire, 1, "second", 9);
    entry(wire, 2, "third", 8);
    Directory directory = Directory.read(page, wire);
    assertThat(directory.keys())
        .containsExactly(
            new Directory.Key("first", 0, 4, 4),
            new Directory.Key("second", 8, 9, 9),
            new Directory.Key("third", 24, 8, 8));
    assertThat(directory.find("second")).isEqualTo(new Directory.Key("second", 8, 9, 9));
    assertThat(directory.find("fourth")).isNull();
  }

  @Test
  void aKeyThatIsCountedAndNotWrittenYetEndsTheKeys() {
    count(3);
    entry(Wire.C, 0, "first", 4);
    entry(Wire.C, 2, "third", 4);
    assertThat(Directory.read(page, Wire.C).keys()).hasSize(1);
  }

  @Test
  void aNameWithoutItsNulEndsWithItsField() {
    count(1);
    entry(Wire.B, 0, "x".repeat(62), 4);
    assertThat(Directory.read(page, Wire.B).keys().getFirst().name()).hasSize(62);
  }

  @ParameterizedTest
  @EnumSource(Wire.class)
  void aPageOfGarbageGivesKeysOrNone(Wire wire) {
    Random random = new Random(6);
    for (int i = 0; i < 2000; i++) {
      byte[] bytes = new byte[4096];
      random.nextBytes(bytes);
      Directory directory =
          Directory.read(MemorySegment.ofArray(bytes), wire).first(random.nextInt() >> 16);
      assertThat(directory.keys()).hasSizeLessThanOrEqualTo(wire.maxKeys());
      assertThat(directory.keys()).allMatch(key -> key.room() > 0 && key.room() <= 65535);
    }
  }
}
