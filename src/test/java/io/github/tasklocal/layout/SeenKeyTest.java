// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Pages are written here at the offsets of docs/wires.md, as another library would do it. */
class SeenKeyTest {

  private final MemorySegment page = MemorySegment.ofArray(new byte[DataPage.SIZE]);

  private void entry(Wire wire, int index, String name, int number) {
    int at = (wire == Wire.A ? 0 : 4) + 64 * index;
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    MemorySegment.copy(bytes, 0, page, JAVA_BYTE, at, bytes.length);
    page.set(JAVA_SHORT_UNALIGNED, at + 62, (short) number);
  }

  private void count(int keys) {
    page.set(JAVA_SHORT_UNALIGNED, 0, (short) keys);
  }

  @ParameterizedTest
  @EnumSource
  void whatADirectoryPublishesIsRead(Wire wire) {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    MemorySegment formA = Arena.ofAuto().allocate(DataPage.SIZE, 8);
    MemorySegment formB = Arena.ofAuto().allocate(DataPage.SIZE, 8);
    KeyDirectory directory = new KeyDirectory(formA, formB);
    List<SeenKey> expected = new ArrayList<>();
    for (int i = 0; i < KeyDirectory.MAX_KEYS; i++) {
      String name = "größe." + i + "x".repeat(random.nextInt(50));
      int size = 1 + random.nextInt(56);
      Key key = directory.define(name, MemoryLayout.sequenceLayout(size, JAVA_BYTE));
      int aligned = (size + 7) & -8;
      if (i < wire.maxKeys()) {
        expected.add(
            wire == Wire.A
                ? new SeenKey(name, key.offset(), 0, i == 63 ? DataPage.SIZE : aligned)
                : new SeenKey(name, key.offset() - DataPage.START, size, size));
      }
    }
    assertThat(SeenKey.read(wire == Wire.A ? formA : formB, wire))
        .as("seed %d", seed)
        .isEqualTo(expected);
  }

  @Test
  void wireAHasOffsetsInAnyOrderAndTheNextOneLimitsAValue() {
    entry(Wire.A, 0, "last", 48);
    entry(Wire.A, 1, "first", -8);
    entry(Wire.A, 2, "second", 24);
    entry(Wire.A, 3, "first again", -8);
    entry(Wire.A, 5, "behind an empty name", 100);
    assertThat(SeenKey.read(page, Wire.A))
        .containsExactly(
            new SeenKey("last", 48, 0, DataPage.SIZE),
            new SeenKey("first", -8, 0, 32),
            new SeenKey("second", 24, 0, 24),
            new SeenKey("first again", -8, 0, 32));
  }

  @ParameterizedTest
  @EnumSource(names = {"B", "C"})
  void wiresBAndCHaveSizesAndTheirSumsAreOffsets(Wire wire) {
    count(3);
    entry(wire, 0, "first", 4);
    entry(wire, 1, "second", 65_535);
    entry(wire, 2, "third", 8);
    entry(wire, 3, "not counted", 8);
    assertThat(SeenKey.read(page, wire))
        .containsExactly(
            new SeenKey("first", 0, 4, 4),
            new SeenKey("second", 8, 65_535, 65_535),
            new SeenKey("third", 8 + 65_536, 8, 8));
  }

  @Test
  void aKeyThatIsCountedAndNotWrittenYetEndsTheKeys() {
    count(3);
    entry(Wire.C, 0, "first", 4);
    entry(Wire.C, 2, "third", 4);
    assertThat(SeenKey.read(page, Wire.C)).hasSize(1);
  }

  @Test
  void aNameWithoutItsNulEndsWithItsField() {
    count(1);
    entry(Wire.B, 0, "x".repeat(62), 4);
    assertThat(SeenKey.read(page, Wire.B).getFirst().name()).isEqualTo("x".repeat(62));
  }

  @ParameterizedTest
  @EnumSource
  void aPageOfGarbageGivesKeysOrNone(Wire wire) {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    System.out.println("SeenKeyTest: seed " + seed);
    byte[] bytes = new byte[SeenKey.bytes(wire)];
    for (int i = 0; i < 5000; i++) {
      random.nextBytes(bytes);
      if (i % 2 == 0) {
        bytes[1] = 0; // a count as it can be
      }
      List<SeenKey> keys = SeenKey.read(MemorySegment.ofArray(bytes), wire);
      assertThat(keys).as("seed %d", seed).hasSizeLessThanOrEqualTo(wire.maxKeys());
      assertThat(keys)
          .as("seed %d", seed)
          .allMatch(key -> key.room() > 0 && key.room() <= (wire == Wire.A ? 4096 : 65_535))
          .allMatch(key -> key.size() == (wire == Wire.A ? 0 : key.room()))
          .allMatch(key -> key.name().length() <= 62)
          .allMatch(key -> key.offset() >= (wire == Wire.A ? Short.MIN_VALUE : 0));
    }
  }

  @ParameterizedTest
  @EnumSource
  void lessThanAllKeysIsNoPageOfKeys(Wire wire) {
    MemorySegment cut = page.asSlice(0, SeenKey.bytes(wire) - 1);
    assertThatThrownBy(() -> SeenKey.read(cut, wire)).isInstanceOf(IndexOutOfBoundsException.class);
  }
}
