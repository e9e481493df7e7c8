// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.bpf.BpfObject;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A value of a key, or why there is none: {@code struct value} of {@code key_value.bpf.h}.
 *
 * @param text in words for people: its name if it has one; strings in quotes, so that none looks
 *     like the lack of a value; in brackets if it is no value
 * @param json a number, a boolean or a string; null if it is no value
 * @param isValue whether it is one
 * @param textBytes what {@link TextHint#textBytes} says of a value whose type was left open
 */
record SeenValue(String text, @Nullable Object json, boolean isValue, int textBytes) {

  /** For the description of the option that names the key. */
  static final String KEY =
      "The key. "
          + KeyOption.TYPES
          + ". Without one: a signed number of the value's size; on wire A, which has no sizes, of"
          + " 8 bytes, so name the type there.";

  /** For the help of commands that show values. */
  static final String LIMITS =
      "Only the first 64 bytes are seen of a value; ..(128 bytes) after it says how long it is, and"
          + " values that differ only after them count as one. On wire A a string or bytes end"
          + " where the next key's value begins, at the latest.";

  /** {@code sizeof(struct value)}. */
  static final long BYTES = 72;

  private static final int MOST = 64;

  /** Sizes that mean the lack of a value. */
  private static final int NO_KEY = 0;

  private static final int NO_ENTRY = -1;
  private static final int UNSEEN = -2;
  private static final int OUTSIDE = -3;

  /** Many values for which there was no room. */
  static final SeenValue OTHERS = none("(other values)");

  /** The value of a thread that has not registered. */
  static final SeenValue NO_ENTRY_VALUE = none("(no entry)");

  /** The value of a thread whose process has not made the key. */
  static final SeenValue NO_KEY_VALUE = none("(no key)");

  /** The value of what ended before its value was seen. */
  static final SeenValue UNSAMPLED = none("(not sampled)");

  /** The value before the first that was seen. */
  private static final SeenValue UNSEEN_VALUE = none("(not seen)");

  /** The value of a key whose offset lies outside of the thread's pages. */
  private static final SeenValue OUTSIDE_VALUE = none("(outside)");

  private static SeenValue none(String text) {
    return new SeenValue(text, null, false, -1);
  }

  /** Tells a program which key to read, before it is loaded. */
  static void choose(BpfObject object, KeyOption key) {
    byte[] name = key.name().getBytes(StandardCharsets.UTF_8);
    MemorySegment.copy(name, 0, object.global("key_name"), JAVA_BYTE, 0, name.length);
    ValueType type = key.type();
    int size = type == null ? Long.BYTES : type.size();
    object.global("key_size").set(JAVA_INT, 0, size == 0 ? MOST : size);
    object.global("key_text").set(JAVA_BYTE, 0, (byte) (type == ValueType.STRING ? 1 : 0));
  }

  /**
   * Reads a value.
   *
   * @param value {@code struct value}
   * @param key says its type
   * @param names of values, by their text
   * @return what it is
   */
  static SeenValue read(MemorySegment value, KeyOption key, Map<String, String> names) {
    int size = value.get(JAVA_INT, 0);
    switch (size) {
      case NO_KEY -> {
        return NO_KEY_VALUE;
      }
      case NO_ENTRY -> {
        return NO_ENTRY_VALUE;
      }
      case UNSEEN -> {
        return UNSEEN_VALUE;
      }
      case OUTSIDE -> {
        return OUTSIDE_VALUE;
      }
      default -> {}
    }
    ValueType wanted = key.type();
    if (wanted != null && wanted.size() != 0 && wanted.size() != size) {
      return none("(%d bytes, no %s)".formatted(size, wanted));
    }
    ValueType type = wanted == null ? ValueType.number(size) : wanted;
    MemorySegment bytes = value.asSlice(8, Math.clamp(size, 0, MOST));
    Object json = type.json(bytes);
    int textBytes = wanted == null ? TextHint.textBytes(bytes) : -1;
    String text = type.text(json);
    // A string that ends within what was seen has zeros after it.
    if (size > MOST && (type != ValueType.STRING || bytes.get(JAVA_BYTE, MOST - 1) != 0)) {
      return new SeenValue("%s..(%d bytes)".formatted(text, size), json, true, textBytes);
    }
    String name = names.get(Output.printable(json.toString()));
    return new SeenValue(name != null ? name : text, json, true, textBytes);
  }
}
