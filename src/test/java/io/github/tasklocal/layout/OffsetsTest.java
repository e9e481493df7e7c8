// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.Clang;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The offsets that Java uses are those that the C compiler gives the structs of the header. */
class OffsetsTest {

  private static final long PAGE = 0x1111111111111000L;
  private static final long METADATA = 0x2222222222222222L;

  @ParameterizedTest
  @EnumSource
  void javaAndCAgreeOnEveryOffset(Wire wire, @TempDir Path folder) {
    Map<String, Long> offsets = new LinkedHashMap<>();
    offsets.put("PAGE_SIZE", (long) DataPage.SIZE);
    offsets.put("VALUE_SIZE", (long) wire.valueSize());
    offsets.put("MAX_KEYS", (long) wire.maxKeys());
    value(wire, offsets);
    if (wire == Wire.A) {
      metadataA(offsets);
    } else {
      metadataB(offsets);
    }
    if (wire == Wire.B) {
      offsets.put("START", startInPage());
    }
    String[] macros =
        offsets.entrySet().stream()
            .map(offset -> "-DJAVA_" + offset.getKey() + "=" + offset.getValue())
            .toArray(String[]::new);
    String[] flags = new String[macros.length + 1];
    System.arraycopy(macros, 0, flags, 1, macros.length);
    flags[0] = "-DTLD_WIRE=TLD_WIRE_" + wire;
    assertThat(Clang.compile(folder, "offsets", flags)).exists();
  }

  /** Where MapValue puts what: it has no layout, so its output is searched. */
  private static void value(Wire wire, Map<String, Long> offsets) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(wire.valueSize(), 8);
      value.fill((byte) -1); // all of it has to be overwritten
      MapValue.write(value, wire, PAGE, METADATA, 0);
      for (long at = 0; at < wire.valueSize(); at += 8) {
        long word = value.get(JAVA_LONG, at);
        if (word == PAGE) {
          offsets.put("DATA", at);
        } else if (word == METADATA) {
          offsets.put("META", at);
        } else {
          for (long half = at; half < at + 8; half += 2) {
            short number = value.get(JAVA_SHORT, half);
            if (wire == Wire.A && number == MetadataA.ENTRIES) {
              offsets.put("CNT", half);
            } else if (wire == Wire.C && number == DataPage.START) {
              offsets.put("START", half);
            } else {
              assertThat(number).as("what lies at %d", half).isZero();
            }
          }
        }
      }
    }
  }

  private static void metadataA(Map<String, Long> offsets) {
    entry(MetadataA.Layouts.ENTRY, "key", offsets);
    offsets.put("OFF", MetadataA.Layouts.ENTRY.byteOffset(groupElement("off")));
    offsets.put(
        "ENTRIES", MetadataA.Layouts.PAGE.byteOffset(MemoryLayout.PathElement.sequenceElement(0)));
    offsets.put("META_SIZE", MetadataA.Layouts.PAGE.byteSize());
  }

  private static void metadataB(Map<String, Long> offsets) {
    entry(MetadataB.Layouts.ENTRY, "name", offsets);
    offsets.put("SIZE", MetadataB.Layouts.ENTRY.byteOffset(groupElement("size")));
    offsets.put("CNT", MetadataB.Layouts.PAGE.byteOffset(groupElement("cnt")));
    offsets.put("RESERVED", MetadataB.Layouts.PAGE.byteOffset(groupElement("size")));
    offsets.put("ENTRIES", MetadataB.Layouts.PAGE.byteOffset(groupElement("entries")));
    offsets.put("META_SIZE", MetadataB.Layouts.PAGE.byteSize());
  }

  private static void entry(MemoryLayout entry, String name, Map<String, Long> offsets) {
    offsets.put("ENTRY_SIZE", entry.byteSize());
    offsets.put("NAME", entry.byteOffset(groupElement(name)));
    offsets.put("NAME_SIZE", entry.select(groupElement(name)).byteSize());
  }

  private static long startInPage() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment page = arena.allocate(DataPage.SIZE, DataPage.SIZE);
      DataPage.prepare(page);
      for (long at = 0; at < DataPage.SIZE; at += 8) {
        if (page.get(JAVA_LONG, at) == DataPage.START) {
          return at;
        }
      }
      throw new AssertionError("no start in the page");
    }
  }

  @Test
  void theConstantsAreThoseOfTheLayouts() {
    assertThat(MetadataA.ENTRY_BYTES).isEqualTo(MetadataA.Layouts.ENTRY.byteSize());
    assertThat(MetadataA.PAGE_BYTES).isEqualTo(MetadataA.Layouts.PAGE.byteSize());
    assertThat(MetadataA.OFF).isEqualTo(MetadataA.Layouts.ENTRY.byteOffset(groupElement("off")));
    assertThat(MetadataB.ENTRY_BYTES).isEqualTo(MetadataB.Layouts.ENTRY.byteSize());
    assertThat(MetadataB.ENTRY_SIZE)
        .isEqualTo(MetadataB.Layouts.ENTRY.byteOffset(groupElement("size")));
    assertThat(MetadataB.SIZE).isEqualTo(MetadataB.Layouts.PAGE.byteOffset(groupElement("size")));
    assertThat(MetadataB.ENTRY_LIST)
        .isEqualTo(MetadataB.Layouts.PAGE.byteOffset(groupElement("entries")));
    assertThat(MetadataB.Layouts.PAGE.byteSize()).isEqualTo(DataPage.SIZE);
  }
}
