// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Notices that the values of a key, which are shown as numbers or bytes since no type was named,
 * are text.
 */
final class TextHint {

  /** Shorter text can well be a small number. */
  private static final int LEAST = 3;

  private boolean text;
  private boolean other;

  /** Takes a value into account. */
  void see(SeenValue value) {
    if (value.isValue()) {
      see(value.textBytes());
    }
  }

  /**
   * Takes a value into account.
   *
   * @param textBytes what {@link #textBytes} says of it
   */
  void see(int textBytes) {
    text |= textBytes >= LEAST;
    other |= textBytes < 0;
  }

  /** {@return what to tell the user; null if not all values are text, or none is long enough} */
  @Nullable String about(KeyOption key) {
    return text && !other && key.type() == null
        ? "the values look like text, which --key " + Output.printable(key.name()) + ":string shows"
        : null;
  }

  /** {@return how many bytes of UTF-8 a value has before its zeros; below 0 if it is no text} */
  static int textBytes(MemorySegment value) {
    byte[] bytes = value.toArray(ValueLayout.JAVA_BYTE);
    int end = bytes.length;
    while (end > 0 && bytes[end - 1] == 0) {
      end--;
    }
    try {
      String decoded =
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, 0, end)).toString();
      return decoded
              .codePoints()
              .anyMatch(c -> Character.isISOControl(c) || !Character.isDefined(c))
          ? -1
          : end;
    } catch (CharacterCodingException e) {
      return -1;
    }
  }
}
