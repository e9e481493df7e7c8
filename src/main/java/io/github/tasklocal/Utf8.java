// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** UTF-8 to and from a value; setting a text allocates no array. */
final class Utf8 {

  private Utf8() {}

  /** {@return how many bytes a text has} */
  static long length(String text) {
    long length = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == 0) {
        throw new IllegalArgumentException(
            "the text has a NUL at character " + i + ", where a C string ends: leave it out");
      }
      if (c < 0x80) {
        length += 1;
      } else if (c < 0x800) {
        length += 2;
      } else if (!Character.isSurrogate(c)) {
        length += 3;
      } else if (Character.isSurrogatePair(c, i + 1 < text.length() ? text.charAt(i + 1) : 'x')) {
        length += 4;
        i++;
      } else {
        throw new IllegalArgumentException(
            "the text has half of a surrogate pair at character "
                + i
                + ", which has no UTF-8 form: use whole characters");
      }
    }
    return length;
  }

  /** Writes a text that fits, as {@link #length} has shown. */
  static void write(String text, MemorySegment target) {
    long at = 0;
    for (int i = 0; i < text.length(); i++) {
      int c = text.codePointAt(i);
      if (c < 0x80) {
        target.set(JAVA_BYTE, at++, (byte) c);
      } else if (c < 0x800) {
        target.set(JAVA_BYTE, at++, (byte) (0xc0 | (c >> 6)));
        target.set(JAVA_BYTE, at++, continuation(c));
      } else if (c < 0x10000) {
        target.set(JAVA_BYTE, at++, (byte) (0xe0 | (c >> 12)));
        target.set(JAVA_BYTE, at++, continuation(c >> 6));
        target.set(JAVA_BYTE, at++, continuation(c));
      } else {
        target.set(JAVA_BYTE, at++, (byte) (0xf0 | (c >> 18)));
        target.set(JAVA_BYTE, at++, continuation(c >> 12));
        target.set(JAVA_BYTE, at++, continuation(c >> 6));
        target.set(JAVA_BYTE, at++, continuation(c));
        i++;
      }
    }
  }

  private static byte continuation(int bits) {
    return (byte) (0x80 | (bits & 0x3f));
  }

  static String read(MemorySegment source) {
    byte[] bytes = source.toArray(JAVA_BYTE);
    int length = 0;
    while (length < bytes.length && bytes[length] != 0) {
      length++;
    }
    return new String(bytes, 0, length, StandardCharsets.UTF_8);
  }
}
