// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import com.grack.nanojson.JsonArray;
import io.github.tasklocal.bpf.BpfObject;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A value of a key, or why there is none: {@code struct value} of {@code key_value.bpf.h}. Or those
 * of several keys.
 *
 * @param text in words for people: its name if it has one; strings in quotes, so that none looks
 *     like the lack of a value; in brackets if it is no value
 * @param json a number, a boolean or a string; null if it is no value
 * @param isValue whether it is one
 * @param textBytes what {@link TextHint#textBytes} says of a value whose type was left open
 * @param parts the values of several keys; of one key, empty
 */
record SeenValue(
    String text, @Nullable Object json, boolean isValue, int textBytes, List<SeenValue> parts) {

  SeenValue(String text, @Nullable Object json, boolean isValue, int textBytes) {
    this(text, json, isValue, textBytes, List.of());
  }

  /** Between the values of several keys, and between the keys' names. */
  static final String BETWEEN = " / ";

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
    choose(object, List.of(key));
  }

  /** Tells a program which keys to read, as many as it reads, before it is loaded. */
  static void choose(BpfObject object, List<KeyOption> keys) {
    MemorySegment names = object.global("key_name");
    long room = names.byteSize() / keys.size();
    for (int i = 0; i < keys.size(); i++) {
      byte[] name = keys.get(i).name().getBytes(StandardCharsets.UTF_8);
      MemorySegment.copy(name, 0, names, JAVA_BYTE, i * room, name.length);
      ValueType type = keys.get(i).type();
      int size = type == null ? Long.BYTES : type.size();
      object.global("key_size").setAtIndex(JAVA_INT, i, size == 0 ? MOST : size);
      object.global("key_text").set(JAVA_BYTE, i, (byte) (type == ValueType.STRING ? 1 : 0));
    }
  }

  /**
   * Reads the values of one key or several.
   *
   * @param values a {@code struct value} for each key
   * @param keys say their types
   * @param names of values, by their text
   * @return what they are
   */
  static SeenValue read(MemorySegment values, List<KeyOption> keys, Map<String, String> names) {
    List<SeenValue> parts = new ArrayList<>();
    for (int i = 0; i < keys.size(); i++) {
      parts.add(read(values.asSlice(i * BYTES, BYTES), keys.get(i), names));
    }
    if (parts.size() == 1) {
      return parts.getFirst();
    }
    JsonArray json = new JsonArray();
    parts.forEach(part -> json.add(part.json));
    return new SeenValue(
        parts.stream().map(SeenValue::text).collect(Collectors.joining(BETWEEN)),
        json,
        parts.stream().anyMatch(SeenValue::isValue),
        -1,
        List.copyOf(parts));
  }

  /** {@return the value of a key, of several} */
  SeenValue part(int key) {
    return parts.isEmpty() ? this : parts.get(key);
  }

  /**
   * {@return the value as other systems have it, as a label: a string is itself, but in quotes
   * where it could be mistaken for the lack of a value, or is seen in part}
   */
  String label() {
    if (!(json instanceof String string) || !text.startsWith(Output.quoted(string))) {
      return text;
    }
    String rest = text.substring(Output.quoted(string).length());
    return rest.isEmpty()
            && !string.isEmpty()
            && !string.startsWith("\"")
            && !string.startsWith("(")
        ? string
        : '"' + string + '"' + rest;
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
