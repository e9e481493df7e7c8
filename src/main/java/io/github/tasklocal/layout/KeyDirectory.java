// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import io.github.tasklocal.error.DirectoryFullException;
import io.github.tasklocal.error.InvalidKeyException;
import io.github.tasklocal.error.KeyConflictException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
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

  /** Copies of both pages, or null; in form A, and in form B. */
  private final @Nullable MemorySegment[] copies;

  /** What comes between a key's description and what shows it to BPF programs. */
  private volatile Runnable settling = () -> {};

  /** How many keys there are; they are read after it, and written before. */
  private volatile int count;

  /** The keys that there were when somebody last asked for all. */
  private volatile List<Key> listed = List.of();

  /**
   * Makes an empty directory for threads that have a page each.
   *
   * @param formA the metadata page of wire A, zeroed; the directory keeps it
   * @param formB the metadata page of wires B and C, likewise
   */
  public KeyDirectory(MemorySegment formA, MemorySegment formB) {
    this(formA, formB, DataPage.SIZE, new ArrayList<>(2 * MAX_KEYS), new MemorySegment[2]);
  }

  /**
   * Makes a view of the keys that several directories have in common.
   *
   * @param formA the metadata page of wire A, the same for all, and zeroed for the first
   * @param formB the metadata page of wires B and C, likewise
   * @param size how many bytes each thread has for its values: a page or less
   * @param shared the same for all, and empty for the first, with room for 128 elements: the names
   *     and layouts of the keys in turn
   * @param copies the same for all, with room for two: the pages of {@link #copyTo}
   */
  public KeyDirectory(
      MemorySegment formA,
      MemorySegment formB,
      int size,
      List<Object> shared,
      @Nullable MemorySegment[] copies) {
    this.formA = formA;
    this.formB = formB;
    this.size = size;
    this.shared = shared;
    this.copies = copies;
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

  /**
   * Has the keys stand in two more pages, now and from now on, in place of those that were named
   * before.
   *
   * @param pageA is a metadata page of wire A from now on
   * @param pageB is one of wires B and C from now on
   */
  public void copyTo(MemorySegment pageA, MemorySegment pageB) {
    synchronized (shared) {
      MemorySegment ignored = pageA.copyFrom(formA);
      ignored = pageB.copyFrom(formB);
      copies[0] = pageA;
      copies[1] = pageB;
    }
  }

  /**
   * Has something run each time that a key is made: when the key is described, and before BPF
   * programs can see it. A program whose header has no barrier between the two, such as the
   * kernel's own, may else see the key before its description, where loads are not in order.
   *
   * @param settling runs under the directory's lock; if it throws, so does {@link #define}, which
   *     has made no key then
   */
  public void settleBy(Runnable settling) {
    this.settling = settling;
  }

  /**
   * {@return the keys in the order in which they were made} It is the same list until there is
   * another key, and is then found without a lock.
   */
  public List<Key> keys() {
    List<Key> all = listed;
    // Read without the lock: a key is seen if the caller knows of it, by whatever way.
    return all.size() == shared.size() / 2 ? all : list();
  }

  private List<Key> list() {
    synchronized (shared) {
      catchUp();
      List<Key> all = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        all.add(Objects.requireNonNull(keys[i]));
      }
      List<Key> list = List.copyOf(all);
      listed = list;
      return list;
    }
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
    byte[] bytes = KeyRules.encode(name);
    MemoryLayout natural = KeyRules.check(name, layout);
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
    MemorySegment copyA = copies[0];
    MemorySegment copyB = copies[1];
    describe(formA, formB, key, bytes);
    if (copyA != null && copyB != null) {
      describe(copyA, copyB, key, bytes);
    }
    settling.run();
    publish(formA, formB, key, bytes);
    if (copyA != null && copyB != null) {
      publish(copyA, copyB, key, bytes);
    }
    boolean ignored = shared.add(name) && shared.add(layout); // has room, and cannot fail
    keys[index] = key;
    count = index + 1;
    return key;
  }

  private static void describe(MemorySegment pageA, MemorySegment pageB, Key key, byte[] name) {
    MetadataA.describe(pageA, key.index(), name, (short) key.offset());
    if (key.index() < MetadataB.ENTRIES) {
      MetadataB.describe(pageB, key.index(), name, (short) key.size());
    }
  }

  private static void publish(MemorySegment pageA, MemorySegment pageB, Key key, byte[] name) {
    MetadataA.publish(pageA, key.index(), name);
    if (key.index() < MetadataB.ENTRIES) {
      MetadataB.publish(pageB, key.index());
    }
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
}
