// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import io.github.tasklocal.error.InvalidKeyException;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;

/** What names and layouts keys can have. */
final class KeyRules {

  private KeyRules() {}

  /** {@return a name in UTF-8, after checking it} */
  static byte[] encode(String name) {
    if (name.isEmpty()) {
      throw new InvalidKeyException(
          "the key's name is empty",
          "give it 1 to " + KeyDirectory.MAX_NAME_BYTES + " bytes of UTF-8");
    }
    int nul = name.indexOf('\0');
    if (nul >= 0) {
      throw new InvalidKeyException(
          "the key's name \"%s\" has a NUL at character %d".formatted(printable(name), nul),
          "leave it out: BPF programs read names as C strings");
    }
    byte[] bytes;
    try {
      var encoded = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(name));
      bytes = new byte[encoded.remaining()];
      encoded.get(bytes);
    } catch (CharacterCodingException e) {
      InvalidKeyException invalid =
          new InvalidKeyException(
              "the key's name \"%s\" has half of a surrogate pair, which has no UTF-8 form"
                  .formatted(printable(name)),
              "use whole characters");
      invalid.initCause(e);
      throw invalid;
    }
    if (bytes.length > KeyDirectory.MAX_NAME_BYTES) {
      throw new InvalidKeyException(
          "the key's name \"%s\" has %d bytes in UTF-8, at most %d fit"
              .formatted(name, bytes.length, KeyDirectory.MAX_NAME_BYTES),
          "choose a shorter one");
    }
    return bytes;
  }

  /** {@return a name in which NULs and surrogates are written as in Java source} */
  private static String printable(String name) {
    return name.codePoints()
        .mapToObj(
            c ->
                c == 0
                    ? "\\0"
                    : Character.getType(c) == Character.SURROGATE
                        ? "\\u%04x".formatted(c)
                        : Character.toString(c))
        .collect(Collectors.joining());
  }

  /** {@return a layout with its natural alignment and no name, after checking it} */
  static MemoryLayout check(String name, MemoryLayout layout) {
    // No switch over types: the first one takes a program that starts some 10 ms.
    if (layout instanceof AddressLayout) {
      throw new InvalidKeyException(
          "the key \"%s\" has the layout of an address".formatted(name),
          "an address says nothing to a BPF program; use JAVA_LONG for the number");
    }
    if (layout instanceof PaddingLayout) {
      throw new InvalidKeyException(
          "the key \"%s\" has the layout %s, padding alone".formatted(name, layout),
          "use a value, struct, union or sequence layout");
    }
    if (layout instanceof ValueLayout value) {
      checkOrder(name, value);
      return value.withoutName().withByteAlignment(value.byteSize());
    }
    return checkSize(name, layout.withoutName());
  }

  private static void checkOrder(String name, MemoryLayout layout) {
    if (layout instanceof ValueLayout value && value.order() != ByteOrder.nativeOrder()) {
      throw new InvalidKeyException(
          "the key \"%s\" has the byte order %s, this machine's is %s"
              .formatted(name, value.order(), ByteOrder.nativeOrder()),
          "use the constants of ValueLayout, which have the machine's");
    } else if (layout instanceof GroupLayout group) {
      group.memberLayouts().forEach(each -> checkOrder(name, each));
    } else if (layout instanceof SequenceLayout sequence) {
      checkOrder(name, sequence.elementLayout());
    }
  }

  private static MemoryLayout checkSize(String name, MemoryLayout layout) {
    checkOrder(name, layout);
    if (layout.byteSize() == 0 || layout.byteSize() > DataPage.CAPACITY) {
      throw new InvalidKeyException(
          "the key \"%s\" has a layout of %d bytes".formatted(name, layout.byteSize()),
          "a page holds values of 1 to " + DataPage.CAPACITY + " bytes");
    }
    if (layout.byteAlignment() > DataPage.ALIGNMENT) {
      throw new InvalidKeyException(
          "the key \"%s\" has a layout aligned to %d bytes".formatted(name, layout.byteAlignment()),
          "values are aligned to " + DataPage.ALIGNMENT + " bytes; ask for that or less");
    }
    return layout;
  }
}
