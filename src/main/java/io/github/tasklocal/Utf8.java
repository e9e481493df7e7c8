// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** UTF-8 to and from a value; setting a text allocates no array. */
final class Utf8 {

  /** The first byte in the lowest bits, on every machine. */
  private static final VarHandle WORD =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

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

  /**
   * {@return as much of a text from its beginning as fits, in whole characters} What has no place
   * in a C string in UTF-8 does not: a NUL ends the text, half of a surrogate pair becomes U+FFFD.
   * Allocates nothing if the text fits as it is.
   *
   * @param room bytes
   */
  static String cut(String text, long room) {
    long length = 0;
    int end = 0;
    StringBuilder mended = null;
    while (end < text.length()) {
      int c = text.codePointAt(end);
      boolean half = c <= Character.MAX_VALUE && Character.isSurrogate((char) c);
      length += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; // U+FFFD has 3, too
      if (c == 0 || length > room) {
        break;
      }
      if (half) {
        mended = mended == null ? new StringBuilder(text) : mended;
        mended.setCharAt(end, '\uFFFD');
      }
      end += Character.charCount(c);
    }
    if (mended != null) {
      return mended.substring(0, end);
    }
    return end == text.length() ? text : text.substring(0, end);
  }

  /**
   * Writes a text that fits, as {@link #length} has shown, and NULs behind it.
   *
   * @param words whole words, each of which is written once
   */
  static void write(String text, MemorySegment words) {
    long word = 0;
    long at = 0;
    for (int i = 0; i < text.length(); i++) {
      int c = text.codePointAt(i);
      i += Character.charCount(c) - 1;
      long bytes = Integer.toUnsignedLong(encode(c));
      int length = (Long.SIZE - Long.numberOfLeadingZeros(bytes) + 7) / Byte.SIZE;
      int shift = (int) (at % Long.BYTES) * Byte.SIZE;
      word |= bytes << shift;
      long next = at + length;
      if (next / Long.BYTES > at / Long.BYTES) {
        WORD.setOpaque(words, at & -Long.BYTES, word);
        word = bytes >>> (Long.SIZE - shift);
      }
      at = next;
    }
    for (long rest = at & -Long.BYTES; rest < words.byteSize(); rest += Long.BYTES) {
      WORD.setOpaque(words, rest, word);
      word = 0;
    }
  }

  /** {@return the bytes of a character other than NUL, the first in the lowest bits} */
  private static int encode(int c) {
    if (c < 0x80) {
      return c;
    }
    if (c < 0x800) {
      return 0xc0 | (c >> 6) | (continuation(c) << 8);
    }
    if (c < 0x10000) {
      return 0xe0 | (c >> 12) | (continuation(c >> 6) << 8) | (continuation(c) << 16);
    }
    return 0xf0
        | (c >> 18)
        | (continuation(c >> 12) << 8)
        | (continuation(c >> 6) << 16)
        | (continuation(c) << 24);
  }

  private static int continuation(int bits) {
    return 0x80 | (bits & 0x3f);
  }

  /**
   * {@return the text before the first NUL}
   *
   * @param words whole words, each of which is read once
   * @param size how many of their bytes may be the text
   */
  static String read(MemorySegment words, int size) {
    ByteBuffer bytes = ByteBuffer.allocate((int) words.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
    while (bytes.hasRemaining()) {
      bytes.putLong((long) WORD.getOpaque(words, (long) bytes.position()));
    }
    int length = 0;
    while (length < size && bytes.get(length) != 0) {
      length++;
    }
    return new String(bytes.array(), 0, length, StandardCharsets.UTF_8);
  }
}
