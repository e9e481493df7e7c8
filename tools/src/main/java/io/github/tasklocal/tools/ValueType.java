// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_CHAR_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** How a value's bytes are shown. */
enum ValueType {
  BOOLEAN(1, value -> value.get(JAVA_BYTE, 0) != 0),
  BYTE(1, value -> value.get(JAVA_BYTE, 0)),
  SHORT(2, value -> value.get(JAVA_SHORT_UNALIGNED, 0)),
  CHAR(2, value -> String.valueOf(value.get(JAVA_CHAR_UNALIGNED, 0))),
  INT(4, value -> value.get(JAVA_INT_UNALIGNED, 0)),
  LONG(8, value -> value.get(JAVA_LONG_UNALIGNED, 0)),
  FLOAT(4, value -> number(value.get(JAVA_FLOAT_UNALIGNED, 0))),
  DOUBLE(8, value -> number(value.get(JAVA_DOUBLE_UNALIGNED, 0))),
  UBYTE(1, value -> Byte.toUnsignedInt(value.get(JAVA_BYTE, 0))),
  USHORT(2, value -> Short.toUnsignedInt(value.get(JAVA_SHORT_UNALIGNED, 0))),
  UINT(4, value -> Integer.toUnsignedLong(value.get(JAVA_INT_UNALIGNED, 0))),
  ULONG(8, value -> new BigInteger(Long.toUnsignedString(value.get(JAVA_LONG_UNALIGNED, 0)))),
  /** UTF-8, up to the first NUL. */
  STRING(0, ValueType::string),
  BYTES(0, value -> HexFormat.of().formatHex(value.toArray(JAVA_BYTE)));

  /** How many bytes are shown in full. */
  private static final int SHOWN = 32;

  private final int size;

  @SuppressWarnings("ImmutableEnumChecker") // the lambdas above hold nothing
  private final Function<MemorySegment, Object> read;

  ValueType(int size, Function<MemorySegment, Object> read) {
    this.size = size;
    this.read = read;
  }

  /** {@return the type of that name, or null} */
  static @Nullable ValueType find(String name) {
    for (ValueType type : values()) {
      if (type.toString().equals(name)) {
        return type;
      }
    }
    return null;
  }

  /** {@return a signed number of that many bytes; bytes if no number has as many} */
  static ValueType number(int bytes) {
    return switch (bytes) {
      case 1 -> BYTE;
      case 2 -> SHORT;
      case 4 -> INT;
      case 8 -> LONG;
      default -> BYTES;
    };
  }

  /** {@return how many bytes a value has; 0 if any number} */
  int size() {
    return size;
  }

  /** {@return a value for a terminal, on one line; as bytes if it has fewer than the type} */
  String text(MemorySegment value) {
    if (this == BYTES || value.byteSize() < size) {
      long shown = Math.min(value.byteSize(), SHOWN);
      String hex = (String) BYTES.read.apply(value.asSlice(0, shown));
      return shown == value.byteSize() ? hex : hex + "..(" + value.byteSize() + " bytes)";
    }
    return text(read.apply(value));
  }

  /** {@return what {@link #json} makes of a value, for a terminal, on one line and in full} */
  String text(Object json) {
    String text = json.toString();
    return switch (this) {
      case CHAR -> "'" + Output.printable(text) + "'";
      case STRING -> Output.quoted(text);
      default -> Output.printable(text);
    };
  }

  /** {@return a number, a boolean or a string; bytes in hexadecimal} */
  Object json(MemorySegment value) {
    return value.byteSize() < size ? BYTES.read.apply(value) : read.apply(value);
  }

  /** JSON has neither infinities nor NaN. */
  private static Object number(double value) {
    return Double.isFinite(value) ? (Object) value : Double.toString(value);
  }

  private static Object number(float value) {
    return Float.isFinite(value) ? (Object) value : Float.toString(value);
  }

  private static String string(MemorySegment value) {
    byte[] bytes = value.toArray(JAVA_BYTE);
    int end = 0;
    while (end < bytes.length && bytes[end] != 0) {
      end++;
    }
    return new String(bytes, 0, end, StandardCharsets.UTF_8);
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
