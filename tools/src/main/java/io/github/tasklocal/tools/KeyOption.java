// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * A key that a command is asked for, as {@code NAME[:TYPE]}. A name may have colons, if what
 * follows the last one is no type.
 *
 * @param name the key's name
 * @param type how its values are shown, or null if that was left open
 */
record KeyOption(String name, @Nullable ValueType type) {

  /** For the description of an option. */
  static final String TYPES =
      "A TYPE is boolean, byte, short, char, int, long, float, double, ubyte, ushort,"
          + " uint, ulong, string or bytes";

  private static final int MAX_NAME_BYTES = 61;

  static final class Converter implements ITypeConverter<KeyOption> {
    @Override
    public KeyOption convert(String text) {
      int colon = text.lastIndexOf(':');
      ValueType type = colon < 0 ? null : ValueType.find(text.substring(colon + 1));
      String name = type == null ? text : text.substring(0, colon);
      int bytes = name.getBytes(StandardCharsets.UTF_8).length;
      if (bytes < 1 || bytes > MAX_NAME_BYTES || name.indexOf('\0') >= 0) {
        throw new TypeConversionException(
            "a key's name has 1 to %d bytes of UTF-8 and no NUL; \"%s\" has %d bytes"
                .formatted(MAX_NAME_BYTES, Output.printable(name), bytes));
      }
      return new KeyOption(name, type);
    }
  }

  /** {@return the names of keys, as they can be printed} */
  static String title(List<KeyOption> keys) {
    return keys.stream()
        .map(key -> Output.printable(key.name()))
        .collect(Collectors.joining(SeenValue.BETWEEN));
  }

  /** {@return how many bytes its values have; 0 if any number} */
  int size() {
    return type == null ? 0 : type.size();
  }

  @Override
  public String toString() {
    return type == null ? name : name + ":" + type;
  }
}
