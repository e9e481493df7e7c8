// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.github.tasklocal.layout.Wire;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The keys of a process, as BPF programs find them in the page that its threads share. The page is
 * the process's to write, so that anything may stand there; what comes out of it is checked, and
 * makes sense or is left out.
 *
 * @param keys in the order of the page
 */
record Directory(List<Key> keys) {

  /**
   * A key.
   *
   * @param name its name; of any characters, see {@link Output#printable}
   * @param offset of its value in bytes, from where a thread's values start
   * @param size of its value in bytes; 0 where the wire does not know it
   * @param room how many bytes there are at most up to the next value: its size where that is known
   */
  record Key(String name, int offset, int size, int room) {}

  /** How much is looked at of a value of which nothing tells the size. */
  private static final int UNKNOWN_ROOM = 64;

  private static final int ENTRY_BYTES = 64;
  private static final int NAME_BYTES = 62;
  private static final int ENTRIES_B = 4;

  /** {@return how many bytes there are up to the last key that a wire can have} */
  static int bytes(Wire wire) {
    return (wire == Wire.A ? 0 : ENTRIES_B) + wire.maxKeys() * ENTRY_BYTES;
  }

  /**
   * {@return the keys in a page}
   *
   * @param page {@link #bytes} of them
   * @param wire of the map that the page came from
   */
  static Directory read(MemorySegment page, Wire wire) {
    return new Directory(wire == Wire.A ? readA(page) : readB(page));
  }

  /**
   * {@return the first of the keys}
   *
   * @param count how many; none below 0, all above their number
   */
  Directory first(int count) {
    return new Directory(keys.subList(0, Math.clamp(count, 0, keys.size())));
  }

  /** The first empty name ends it. */
  private static List<Key> readA(MemorySegment page) {
    List<String> names = new ArrayList<>();
    List<Integer> offsets = new ArrayList<>();
    for (int i = 0; i < Wire.A.maxKeys(); i++) {
      MemorySegment entry = page.asSlice((long) i * ENTRY_BYTES, ENTRY_BYTES);
      String name = name(entry);
      if (name.isEmpty()) {
        break;
      }
      names.add(name);
      offsets.add((int) entry.get(JAVA_SHORT_UNALIGNED, NAME_BYTES));
    }
    List<Key> keys = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      int offset = offsets.get(i);
      int room =
          offsets.stream()
              .mapToInt(next -> next - offset)
              .filter(distance -> distance > 0)
              .min()
              .orElse(UNKNOWN_ROOM);
      keys.add(new Key(names.get(i), offset, 0, Math.min(room, UNKNOWN_ROOM)));
    }
    return keys;
  }

  /** A key that is counted and has no size yet ends it. */
  private static List<Key> readB(MemorySegment page) {
    List<Key> keys = new ArrayList<>();
    int count = Math.min(Short.toUnsignedInt(page.get(JAVA_SHORT_UNALIGNED, 0)), Wire.B.maxKeys());
    int offset = 0;
    for (int i = 0; i < count; i++) {
      MemorySegment entry = page.asSlice(ENTRIES_B + (long) i * ENTRY_BYTES, ENTRY_BYTES);
      int size = Short.toUnsignedInt(entry.get(JAVA_SHORT_UNALIGNED, NAME_BYTES));
      if (size == 0) {
        break;
      }
      keys.add(new Key(name(entry), offset, size, size));
      offset += (size + 7) & -8;
    }
    return keys;
  }

  /** {@return the name of up to 62 bytes, with or without a NUL at its end} */
  private static String name(MemorySegment entry) {
    byte[] bytes = entry.asSlice(0, NAME_BYTES).toArray(JAVA_BYTE);
    int end = 0;
    while (end < bytes.length && bytes[end] != 0) {
      end++;
    }
    return new String(bytes, 0, end, StandardCharsets.UTF_8);
  }

  /** {@return the first key of a name, as a BPF program finds it; null if there is none} */
  @Nullable Key find(String name) {
    for (Key key : keys) {
      if (key.name.equals(name)) {
        return key;
      }
    }
    return null;
  }
}
