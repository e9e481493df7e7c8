// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;

/**
 * A thread's entry in a map: where its pages are.
 *
 * <pre>
 *   wire A   0        8        16       24    26      28      32
 *            +--------+--------+--------+-----+-------+-------+
 *            | page 0 | page 1 | meta   | cnt | start | stamp |    s16, s16, u32
 *            +--------+--------+--------+-----+-------+-------+
 *
 *   wire B   0        8        16        wire C  0        8        16      18  20      24
 *            +--------+--------+                 +--------+--------+-------+---+-------+
 *            | data   | meta   |                 | data   | meta   | start |   | stamp |
 *            +--------+--------+                 +--------+--------+-------+---+-------+
 *                                                                     u16         u32
 * </pre>
 *
 * <p>On wire A the count is 64 from the start: an empty entry matches no key, so that a key made
 * later is found without touching the map. {@code page 1} is not used.
 *
 * <p>A thread with a page of its own has {@code start} 0 on wire A, whose offsets count from the
 * beginning of the thread's part, and 8 on wire C. Where threads share a page, {@code start} tells
 * which part is the thread's. Wire B has the start offset in the page itself, so there each thread
 * needs a whole page.
 *
 * <p>The stamp lies in the padding of the wires' structs, which BPF programs do not look at. Unlike
 * the pointers, the kernel gives it back to user space, so whoever registered a thread can tell
 * whether the entry is still the one it made. Wire B has no room for a stamp.
 */
public final class MapValue {

  private static final long STAMP_A = 28;
  private static final long STAMP_C = 20;

  private MapValue() {}

  /**
   * Writes the value that registers a thread.
   *
   * @param value the target, of at least {@link Wire#valueSize} bytes, aligned to 8
   * @param wire the map's wire
   * @param page address of the thread's page, or of its part of a page; on wire B always of a whole
   *     page
   * @param metadata address of the wire's metadata page, as {@link KeyDirectory#metadata} gives it
   * @param stamp tells who registers the thread
   */
  public static void write(MemorySegment value, Wire wire, long page, long metadata, int stamp) {
    write(value, wire, page, metadata, stamp, DataPage.SIZE);
  }

  /**
   * Writes the value that registers a thread with a program whose pages are larger: the kernel's
   * own header gives them the size of the kernel's, which is 16 or 64 KiB on some arm64 machines.
   *
   * @param value the target, of at least {@link Wire#valueSize} bytes, aligned to 8
   * @param wire the map's wire
   * @param page address of the thread's page, or of its part of a page; on wire B always of a whole
   *     page
   * @param metadata address of the wire's metadata page, as {@link KeyDirectory#metadata} gives it
   * @param stamp tells who registers the thread
   * @param pageSize the size of a page in the program's structs, a power of two
   */
  public static void write(
      MemorySegment value, Wire wire, long page, long metadata, int stamp, int pageSize) {
    long start = page & (pageSize - 1);
    value.set(JAVA_LONG, 0, page - start);
    switch (wire) {
      case A -> {
        value.set(JAVA_LONG, 8, 0);
        value.set(JAVA_LONG, 16, metadata);
        value.set(JAVA_SHORT, 24, (short) MetadataA.ENTRIES);
        value.set(JAVA_SHORT, 26, (short) start);
        value.set(JAVA_INT, STAMP_A, stamp);
      }
      case B -> value.set(JAVA_LONG, 8, metadata);
      case C -> {
        value.set(JAVA_LONG, 8, metadata);
        value.set(JAVA_SHORT, 16, (short) (start + DataPage.START));
        value.set(JAVA_SHORT, 18, (short) 0);
        value.set(JAVA_INT, STAMP_C, stamp);
      }
    }
  }

  /**
   * {@return whether an entry can be the one that was written with this stamp} On wire B, which has
   * no stamps, every entry can.
   *
   * @param value the entry as the kernel shows it
   * @param wire the map's wire
   * @param stamp the stamp it was written with
   */
  public static boolean hasStamp(MemorySegment value, Wire wire, int stamp) {
    return switch (wire) {
      case A -> value.get(JAVA_INT, STAMP_A) == stamp;
      case B -> true;
      case C -> value.get(JAVA_INT, STAMP_C) == stamp;
    };
  }
}
