// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * The metadata page of wires B and C (Linux 6.18 and newer): how large each key's values are.
 *
 * <pre>
 *      0     2      4
 *      +-----+------+
 *    0 | cnt | size |      u16 each: entries in use; bytes reserved for values
 *      +-----+------+------------------------------------+------+
 *    4 | name: UTF-8, padded with NULs                   | size |   u16
 *      +-------------------------------------------------+------+
 *   68 | name                                            | size |
 *      +-------------------------------------------------+------+
 *      | ... 63 entries of 64 bytes                             |
 *      +--------------------------------------------------------+ 4036
 * </pre>
 *
 * <p>A value lies after the values of all earlier keys, each rounded up to 8 bytes. An entry exists
 * as soon as {@code cnt}, which is written last, counts it.
 */
final class MetadataB {

  static final int ENTRIES = 63;
  static final int NAME_BYTES = 62;

  /** The size of an entry, and where its parts and those of the page are, in bytes. */
  static final long ENTRY_BYTES = NAME_BYTES + Short.BYTES;

  static final long ENTRY_SIZE = NAME_BYTES;
  static final long SIZE = Short.BYTES;
  static final long ENTRY_LIST = 2 * Short.BYTES;

  /** The same as layouts, apart as in {@link MetadataA}. */
  static final class Layouts {
    static final StructLayout ENTRY =
        MemoryLayout.structLayout(
            MemoryLayout.sequenceLayout(NAME_BYTES, JAVA_BYTE).withName("name"),
            JAVA_SHORT.withName("size"));
    static final StructLayout PAGE =
        MemoryLayout.structLayout(
            JAVA_SHORT.withName("cnt"),
            JAVA_SHORT.withName("size"),
            MemoryLayout.sequenceLayout(ENTRIES, ENTRY).withName("entries"),
            MemoryLayout.paddingLayout(DataPage.SIZE - END));

    private Layouts() {}
  }

  /** Where the last entry ends. */
  static final long END = ENTRY_LIST + ENTRIES * ENTRY_BYTES;

  private static final VarHandle SHORT = JAVA_SHORT.varHandle();

  private MetadataB() {}

  /** Makes a zeroed page an empty directory for values of {@code capacity} bytes together. */
  static void prepare(MemorySegment page, int capacity) {
    page.set(JAVA_SHORT, SIZE, (short) capacity);
  }

  /** Writes the entry after the last one, which is not counted yet. */
  static void describe(MemorySegment page, long index, byte[] name, short size) {
    long entry = ENTRY_LIST + index * ENTRY_BYTES;
    page.set(JAVA_SHORT, entry + ENTRY_SIZE, size);
    MemorySegment.copy(name, 0, page, JAVA_BYTE, entry, name.length);
  }

  /** Counts the entry that was described, while a BPF program looks: litmus/key-bc.litmus. */
  static void publish(MemorySegment page, long index) {
    SHORT.setRelease(page, 0L, (short) (index + 1)); // cnt
  }

  /** Reads the entries as {@link SeenKey#read} says. */
  static List<SeenKey> read(MemorySegment page) {
    int count = Math.min(Short.toUnsignedInt(page.get(JAVA_SHORT_UNALIGNED, 0)), ENTRIES);
    VarHandle.acquireFence(); // the count before the entries, as publish() writes it last
    List<SeenKey> keys = new ArrayList<>();
    int offset = 0;
    for (int i = 0; i < count; i++) {
      long entry = ENTRY_LIST + i * ENTRY_BYTES;
      int size = Short.toUnsignedInt(page.get(JAVA_SHORT_UNALIGNED, entry + ENTRY_SIZE));
      if (size == 0) {
        break;
      }
      keys.add(new SeenKey(SeenKey.name(page, entry, NAME_BYTES), offset, size, size));
      offset += DataPage.aligned(size);
    }
    return keys;
  }
}
