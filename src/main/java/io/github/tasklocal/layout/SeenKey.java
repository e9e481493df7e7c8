// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A key as it stands in a process's metadata page. The process may have written anything there: a
 * name may have any characters, names can be equal, and values can overlap or lie outside of every
 * page.
 *
 * @param name its name in UTF-8, up to a NUL or to the end of its field
 * @param offset of its value, in bytes from where a thread's values start: on wire A what the page
 *     says, a signed 16-bit number; on wires B and C the sum of the sizes before it, at least 0
 * @param size of its value in bytes, 1 to 65,535; 0 on wire A, which has no sizes
 * @param room how many bytes the value can have, at least 1: on wires B and C {@code size}; on wire
 *     A the bytes up to the next value, or a page if none follows
 */
public record SeenKey(String name, int offset, int size, int room) {

  /**
   * {@return how many bytes of a metadata page {@link #read} looks at} They hold all keys that the
   * wire can have; the bytes after them are not needed.
   *
   * @param wire the map's
   */
  public static int bytes(Wire wire) {
    return (int) (wire == Wire.A ? MetadataA.PAGE_BYTES : MetadataB.END);
  }

  /**
   * Reads the keys of a process. No content of the page makes this fail. The process may make more
   * keys meanwhile: the keys returned are whole if they were published as {@link KeyDirectory}
   * does.
   *
   * @param page the metadata page or a copy of it, at any address
   * @param wire of the map that the page came from
   * @return in the order of the page, at most {@link Wire#maxKeys}; on wire A up to the first empty
   *     name, on wires B and C as many as the page counts, up to the first without a size
   * @throws IndexOutOfBoundsException if the segment has less than {@link #bytes}
   */
  public static List<SeenKey> read(MemorySegment page, Wire wire) {
    MemorySegment keys = page.asSlice(0, bytes(wire));
    return wire == Wire.A ? MetadataA.read(keys) : MetadataB.read(keys);
  }

  /** {@return the text in a field, which need not end with a NUL} */
  static String name(MemorySegment page, long field, int size) {
    byte[] bytes = page.asSlice(field, size).toArray(JAVA_BYTE);
    int end = 0;
    while (end < size && bytes[end] != 0) {
      end++;
    }
    return new String(bytes, 0, end, StandardCharsets.UTF_8);
  }
}
