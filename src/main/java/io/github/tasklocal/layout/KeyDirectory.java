// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import io.github.tasklocal.error.DirectoryFullException;
import io.github.tasklocal.error.InvalidKeyException;
import io.github.tasklocal.error.KeyConflictException;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The keys of a process: up to 64, made at any time by any thread, never moved, never removed. Two
 * metadata pages hold the same keys, one in wire A's form and one in that of wires B and C.
 */
public final class KeyDirectory {

  /** How many keys there can be. */
  public static final int MAX_KEYS = MetadataA.ENTRIES;

  /** The longest name, in bytes of UTF-8. */
  public static final int MAX_NAME_BYTES = 61;

  private final MemorySegment formA;
  private final MemorySegment formB;
  private final @Nullable Key[] keys = new Key[MAX_KEYS];
  private final int size;

  /** Names and layouts in turn, which every directory of the process adds to; its own lock. */
  private final List<Object> shared;

  /** How many keys there are; they are read after it, and written before. */
  private volatile int count;

  /**
   * Makes an empty directory for threads that have a page each.
   *
   * @param formA the metadata page of wire A, zeroed; the directory keeps it
   * @param formB the metadata page of wires B and C, likewise
   */
  public KeyDirectory(MemorySegment formA, MemorySegment formB) {
    this(formA, formB, DataPage.SIZE, new ArrayList<>(2 * MAX_KEYS));
  }

  /**
   * Makes a view of the keys that several directories have in common.
   *
   * @param formA the metadata page of wire A, the same for all, and zeroed for the first
   * @param formB the metadata page of wires B and C, likewise
   * @param size how many bytes each thread has for its values: a page or less
   * @param shared the same for all, and empty for the first, with room for 128 elements: the names
   *     and layouts of the keys in turn
   */
  public KeyDirectory(MemorySegment formA, MemorySegment formB, int size, List<Object> shared) {
    this.formA = formA;
    this.formB = formB;
    this.size = size;
    this.shared = shared;
    synchronized (shared) {
      MetadataA.prepare(formA);
      MetadataB.prepare(formB, size - DataPage.START);
    }
  }

  /**
   * {@return the address of the metadata page that a map points to}
   *
   * @param wire the map's wire
   */
  public long metadata(Wire wire) {
    return (wire == Wire.A ? formA : formB).address();
  }

  /** {@return the keys in the order in which they were made} */
  public List<Key> keys() {
    catchUp();
    List<Key> copy = new ArrayList<>();
    int known = count;
    for (int i = 0; i < known; i++) {
      copy.add(Objects.requireNonNull(keys[i]));
    }
    return List.copyOf(copy);
  }

  private @Nullable Key find(String name) {
    int known = count;
    for (int i = 0; i < known; i++) {
      Key key = keys[i];
      if (key != null && key.name().equals(name)) {
        return key;
      }
    }
    return null;
  }

  /**
   * Finds or makes a key. Threads that race to make the same key all get one and the same.
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout from 1 byte up to what the page has left
   * @return the key
   * @throws InvalidKeyException if no key can have such a name or layout
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if there are 64 keys or the page has no room
   */
  public Key define(String name, MemoryLayout layout) {
    Objects.requireNonNull(name, "name is null: a key has a name of 1 to 61 bytes of UTF-8");
    Objects.requireNonNull(layout, "layout is null: a key has the layout of its values");
    byte[] bytes = encode(name);
    MemoryLayout natural = check(name, layout);
    Key known = find(name);
    return known != null ? same(known, natural) : make(name, bytes, natural);
  }

  /** Learns of the keys that other directories have made. */
  private void catchUp() {
    synchronized (shared) {
      for (int i = count; i < shared.size() / 2; i++) {
        MemoryLayout layout = (MemoryLayout) shared.get(2 * i + 1);
        keys[i] = new Key((String) shared.get(2 * i), layout, i, end(i));
        count = i + 1;
      }
    }
  }

  private Key make(String name, byte[] bytes, MemoryLayout layout) {
    synchronized (shared) {
      catchUp();
      Key known = find(name);
      return known == null ? add(name, bytes, layout) : same(known, layout);
    }
  }

  private Key add(String name, byte[] bytes, MemoryLayout layout) {
    int index = count;
    if (index == MAX_KEYS) {
      throw new DirectoryFullException(
          "no room for the key \"" + name + "\", all " + MAX_KEYS + " are taken",
          "put several values into one key with a struct layout");
    }
    int end = end(index);
    int left = size - end;
    if (layout.byteSize() > left) {
      boolean packed = size < DataPage.SIZE;
      throw new DirectoryFullException(
          "the key \"%s\" needs %d bytes, the %s has %d left of %d"
              .formatted(
                  name,
                  layout.byteSize(),
                  packed ? "slot of a thread" : "page",
                  left,
                  size - DataPage.START),
          packed
              ? "start java with a larger -Dtasklocal.slotBytes than %d, or without it; each value"
                      .formatted(size)
                  + " takes a multiple of 8 bytes"
              : "choose smaller layouts; each value takes a multiple of 8 bytes");
    }
    // If a step from here on fails, the next key is written over this one, at the same offset.
    Key key = new Key(name, layout, index, end);
    MetadataA.publish(formA, index, bytes, (short) key.offset());
    if (index < MetadataB.ENTRIES) {
      MetadataB.publish(formB, index, bytes, (short) key.size());
    }
    boolean ignored = shared.add(name) && shared.add(layout); // has room, and cannot fail
    keys[index] = key;
    count = index + 1;
    return key;
  }

  /** {@return where the values of that many keys end} */
  private int end(int known) {
    Key last = known == 0 ? null : keys[known - 1];
    return last == null ? DataPage.START : last.offset() + DataPage.aligned(last.size());
  }

  private static Key same(Key known, MemoryLayout layout) {
    if (known.layout().equals(layout)) {
      return known;
    }
    throw new KeyConflictException(
        "the key \"%s\" is asked for as %s, and exists as %s"
            .formatted(known.name(), describe(layout), describe(known.layout())),
        "use the same layout everywhere, or another name");
  }

  private static String describe(MemoryLayout layout) {
    String type =
        layout instanceof ValueLayout value ? value.carrier().getSimpleName() : layout + "";
    return type + " of " + layout.byteSize() + " bytes";
  }

  private static byte[] encode(String name) {
    if (name.isEmpty()) {
      throw new InvalidKeyException(
          "the key's name is empty", "give it 1 to " + MAX_NAME_BYTES + " bytes of UTF-8");
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
    if (bytes.length > MAX_NAME_BYTES) {
      throw new InvalidKeyException(
          "the key's name \"%s\" has %d bytes in UTF-8, at most %d fit"
              .formatted(name, bytes.length, MAX_NAME_BYTES),
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

  // No switch over types: the first one takes a program that starts some 10 ms.
  private static MemoryLayout check(String name, MemoryLayout layout) {
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
