// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** Checks values against the bytes of docs/wires.md. */
class MapValueTest {

  private static final long PAGE = 0x7000_1000L;

  /** Of the largest pages that there are. */
  private static final long WIDE = 0x7f00_0010_0000L;

  private static final long METADATA = 0x7000_2000L;
  private static final int STAMP = 0x5ca1ab1e;

  private static MemorySegment written(Wire wire) {
    MemorySegment value = Arena.ofAuto().allocate(wire.valueSize(), 8).fill((byte) -1);
    MapValue.write(value, wire, PAGE, METADATA, STAMP);
    return value;
  }

  @Test
  void wireAHasThePageNoSecondOneTheMetadataACountOf64Start0AndAStamp() {
    MemorySegment value = written(Wire.A);
    assertThat(value.byteSize()).isEqualTo(32);
    assertThat(value.get(JAVA_LONG, 0)).isEqualTo(PAGE);
    assertThat(value.get(JAVA_LONG, 8)).isZero();
    assertThat(value.get(JAVA_LONG, 16)).isEqualTo(METADATA);
    assertThat(value.get(JAVA_SHORT, 24)).isEqualTo((short) 64);
    assertThat(value.get(JAVA_SHORT, 26)).isZero();
    assertThat(value.get(JAVA_INT, 28)).isEqualTo(STAMP);
  }

  @Test
  void wireBHasTwoPointers() {
    MemorySegment value = written(Wire.B);
    assertThat(value.byteSize()).isEqualTo(16);
    assertThat(value.get(JAVA_LONG, 0)).isEqualTo(PAGE);
    assertThat(value.get(JAVA_LONG, 8)).isEqualTo(METADATA);
  }

  @Test
  void wireCHasTwoPointersTheStartAndAStamp() {
    MemorySegment value = written(Wire.C);
    assertThat(value.byteSize()).isEqualTo(24);
    assertThat(value.get(JAVA_LONG, 0)).isEqualTo(PAGE);
    assertThat(value.get(JAVA_LONG, 8)).isEqualTo(METADATA);
    assertThat(value.get(JAVA_INT, 16)).isEqualTo(16);
    assertThat(value.get(JAVA_INT, 20)).isEqualTo(STAMP);
  }

  @Test
  void aPartOfAPageIsThePageAndWhereThePartStarts() {
    MemorySegment a = written(Wire.A);
    MapValue.write(a, Wire.A, PAGE + 3968, METADATA, STAMP);
    assertThat(a.get(JAVA_LONG, 0)).isEqualTo(PAGE);
    assertThat(a.get(JAVA_SHORT, 26)).isEqualTo((short) 3968);
    MemorySegment c = written(Wire.C);
    MapValue.write(c, Wire.C, PAGE + 3968, METADATA, STAMP);
    assertThat(c.get(JAVA_LONG, 0)).isEqualTo(PAGE);
    assertThat(c.get(JAVA_SHORT, 16)).isEqualTo((short) 3984);
  }

  @Test
  void theStartOfAPartCountsFromTheBeginningOfTheProgramsPage() {
    MemorySegment narrow = written(Wire.C);
    MapValue.write(narrow, Wire.C, WIDE + 4096 + 256, METADATA, STAMP);
    assertThat(narrow.get(JAVA_LONG, 0)).isEqualTo(WIDE + 4096);
    assertThat(narrow.get(JAVA_SHORT, 16)).isEqualTo((short) 272);
    MemorySegment wide = written(Wire.C);
    MapValue.write(wide, Wire.C, WIDE + 4096 + 256, METADATA, STAMP, 16_384);
    assertThat(wide.get(JAVA_LONG, 0)).isEqualTo(WIDE);
    assertThat(wide.get(JAVA_SHORT, 16)).isEqualTo((short) (4096 + 272));
    MemorySegment widest = written(Wire.C);
    MapValue.write(widest, Wire.C, WIDE + 65_536 - 64, METADATA, STAMP, 65_536);
    assertThat(widest.get(JAVA_LONG, 0)).isEqualTo(WIDE);
    assertThat(Short.toUnsignedInt(widest.get(JAVA_SHORT, 16))).isEqualTo(65_536 - 48);
  }

  @Test
  void anEntryIsKnownByItsStampWhereTheWireHasRoomForOne() {
    for (Wire wire : Wire.values()) {
      assertThat(MapValue.hasStamp(written(wire), wire, STAMP)).isTrue();
      assertThat(MapValue.hasStamp(written(wire), wire, STAMP + 1)).isEqualTo(wire == Wire.B);
    }
  }

  @Test
  void aPreparedPageTellsWireBWhereValuesStartAndHasAMark() {
    MemorySegment page = Arena.ofAuto().allocate(DataPage.SIZE, 8);
    DataPage.prepare(page);
    assertThat(page.get(JAVA_LONG, 0)).isEqualTo(16);
    assertThat(page.get(JAVA_INT, 8)).as("the letters mark").isEqualTo(0x6b72616d);
    assertThat(page.asSlice(12).mismatch(MemorySegment.ofArray(new byte[4084]))).isEqualTo(-1);
  }
}
