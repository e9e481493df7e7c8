// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.StructLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * Wire A's metadata page (RFC v3 of April 2025): where each key's values lie.
 *
 * <pre>
 *      0                                                  62     64
 *      +---------------------------------------------------+-----+
 *    0 | key: UTF-8, padded with NULs                      | off |
 *      +---------------------------------------------------+-----+
 *   64 | key                                               | off |
 *      +---------------------------------------------------+-----+
 *      | ... 64 entries                                          |
 *      +---------------------------------------------------------+ 4096
 * </pre>
 *
 * <p>{@code off} is an s16, counted from the beginning of the thread's page, so never 0. An entry
 * exists as soon as its first key byte is not 0; that byte is written last.
 */
final class MetadataA {

  static final int ENTRIES = 64;
  static final int KEY_BYTES = 62;

  /** The sizes of an entry and of the page, and where an entry's offset is, in bytes. */
  static final long ENTRY_BYTES = KEY_BYTES + Short.BYTES;

  static final long PAGE_BYTES = ENTRIES * ENTRY_BYTES;
  static final long OFF = KEY_BYTES;

  /** The same as layouts, apart: a program that starts would pay 20 ms for making them. */
  static final class Layouts {
    static final StructLayout ENTRY =
        MemoryLayout.structLayout(
            MemoryLayout.sequenceLayout(KEY_BYTES, JAVA_BYTE).withName("key"),
            JAVA_SHORT.withName("off"));
    static final SequenceLayout PAGE = MemoryLayout.sequenceLayout(ENTRIES, ENTRY);

    private Layouts() {}
  }

  // The JDK's own VarHandles: one along a layout's path takes milliseconds to make as well.
  private static final VarHandle BYTE = JAVA_BYTE.varHandle();

  private MetadataA() {}

  /**
   * Makes a zeroed page an empty directory: there is nothing to write. One that holds keys stays as
   * it is.
   */
  static void prepare(MemorySegment page) {
    BYTE.setRelease(page, 0L, page.get(JAVA_BYTE, 0)); // makes sure that publish() is linked
  }

  /** Writes an entry that no BPF program sees yet. */
  static void describe(MemorySegment page, long index, byte[] key, short off) {
    long entry = index * ENTRY_BYTES;
    page.set(JAVA_SHORT, entry + OFF, off);
    MemorySegment.copy(key, 1, page, JAVA_BYTE, entry + 1, key.length - 1);
  }

  /**
   * Shows the entry that was described, while a BPF program may be looking: litmus/key-a.litmus.
   */
  static void publish(MemorySegment page, long index, byte[] key) {
    BYTE.setRelease(page, index * ENTRY_BYTES, key[0]);
  }

  /** Reads the entries as {@link SeenKey#read} says. */
  static List<SeenKey> read(MemorySegment page) {
    List<String> names = new ArrayList<>();
    List<Integer> offsets = new ArrayList<>();
    for (int i = 0; i < ENTRIES && page.get(JAVA_BYTE, i * ENTRY_BYTES) != 0; i++) {
      VarHandle.acquireFence(); // the first byte before the others, as publish() writes it last
      long entry = i * ENTRY_BYTES;
      names.add(SeenKey.name(page, entry, KEY_BYTES));
      offsets.add((int) page.get(JAVA_SHORT_UNALIGNED, entry + OFF));
    }
    List<SeenKey> keys = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      int offset = offsets.get(i);
      int room = DataPage.SIZE;
      for (int other : offsets) {
        room = other > offset ? Math.min(room, other - offset) : room;
      }
      keys.add(new SeenKey(names.get(i), offset, 0, room));
    }
    return keys;
  }
}
