// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit.seen;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.SeenKey;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A thread that has an entry in the map, with its values as they stood at one moment. Ids are those
 * of the first pid namespace, as the kernel's own programs see them, unless another is named.
 */
public final class ThreadValues {

  /** How many bytes are read of a value whose size is not known. */
  private static final int UNKNOWN_SIZE = 64;

  private static final int COMM_BYTES = 16;
  private static final int TRIES = 5;

  // struct record in dump.bpf.c
  private static final int HAS_DATA = 1;
  private static final int HAS_MORE = 2;
  private static final int HAS_KEYS = 4;
  private static final int EXCHANGED = 8;
  private static final int COMM = 56;
  private static final int LEADER = COMM + COMM_BYTES;
  private static final int CHANGING = LEADER + COMM_BYTES;

  private final int flags;
  private final int process;
  private final int thread;
  private final int processHere;
  private final int ownProcess;
  private final int ownThread;
  private final int keysThread;
  private final int end;
  private final int count;
  private final int start;
  private final int from;
  private final String comm;
  private final String leader;
  private final BitSet changing;
  private final MemorySegment words;
  private List<SeenKey> keys = List.of();

  private ThreadValues(MemorySegment record, Wire wire) {
    flags = record.get(JAVA_INT, 4);
    process = record.get(JAVA_INT, 8);
    thread = record.get(JAVA_INT, 12);
    keysThread = record.get(JAVA_INT, 16);
    count = record.get(JAVA_INT, 20);
    start = record.get(JAVA_INT, 24);
    from = record.get(JAVA_INT, 28);
    end = record.get(JAVA_INT, 36);
    processHere = record.get(JAVA_INT, 40);
    ownProcess = record.get(JAVA_INT, 44);
    ownThread = record.get(JAVA_INT, 48);
    comm = record.getString(COMM);
    leader = record.getString(LEADER);
    long bits = pages(wire) * DataPage.SIZE / Long.BYTES;
    changing =
        BitSet.valueOf(record.asSlice(CHANGING, bits / Byte.SIZE).toArray(JAVA_LONG_UNALIGNED));
    words = record.asSlice(CHANGING + bits / Byte.SIZE, record.get(JAVA_INT, 32) * 8L);
  }

  private static long pages(Wire wire) {
    return wire == Wire.A ? 2 : 1;
  }

  /**
   * Looks at all threads once.
   *
   * @param object {@code dump}, loaded
   * @param wire of its map
   * @return by process and thread
   */
  public static List<ThreadValues> look(BpfObject object, Wire wire) {
    List<ThreadValues> threads = List.of();
    boolean complete = false;
    for (int tries = 0; !complete && tries < TRIES; tries++) {
      threads = new ArrayList<>();
      complete = read(object.program("dump").iterate(), wire, threads);
    }
    threads.sort(
        Comparator.<ThreadValues>comparingInt(each -> each.process)
            .thenComparingInt(each -> each.thread));
    return threads;
  }

  /**
   * {@return whether the keys of all threads were read} They were not if the thread that had them
   * has just ended.
   */
  private static boolean read(MemorySegment records, Wire wire, List<ThreadValues> threads) {
    Map<Integer, List<SeenKey>> directories = new HashMap<>();
    for (long at = 0; at < records.byteSize(); ) {
      MemorySegment record = records.asSlice(at, records.get(JAVA_INT, at));
      ThreadValues values = new ThreadValues(record, wire);
      threads.add(values);
      if ((values.flags & HAS_KEYS) != 0) {
        MemorySegment keys = record.asSlice(record.byteSize() - SeenKey.bytes(wire));
        directories.put(values.thread, SeenKey.read(keys, wire));
      }
      at += record.byteSize();
    }
    boolean complete = true;
    for (ThreadValues values : threads) {
      List<SeenKey> keys = directories.get(values.keysThread);
      if (keys != null) {
        // On wire A each thread's entry says how many of them to look at.
        values.keys =
            wire == Wire.A ? keys.subList(0, Math.clamp(values.count, 0, keys.size())) : keys;
      } else if (values.keysThread != 0) {
        complete = false;
      }
    }
    return complete;
  }

  /** {@return the id of its process} */
  public int process() {
    return process;
  }

  /** {@return its own id} */
  public int thread() {
    return thread;
  }

  /** {@return the id of its process in this process's pid namespace} */
  public int processHere() {
    return processHere;
  }

  /** {@return the id that its process has for itself, in its own pid namespace} */
  public int ownProcess() {
    return ownProcess;
  }

  /** {@return the id that it has for itself} */
  public int ownThread() {
    return ownThread;
  }

  /** {@return whether its process's pid namespace is another than the first} */
  public boolean isNested() {
    return ownProcess != process;
  }

  /** {@return its name, as the kernel has it} */
  public String comm() {
    return comm;
  }

  /** {@return the name of its process: that of the first thread} */
  public String leader() {
    return leader;
  }

  /** {@return the thread of its process by which its keys are known; 0 if it has none} */
  public int keysThread() {
    return keysThread;
  }

  /** {@return its keys, in the order of their page} */
  public List<SeenKey> keys() {
    return keys;
  }

  /** {@return its first key of a name, as a BPF program finds it; null if there is none} */
  public @Nullable SeenKey key(String name) {
    return keys.stream().filter(each -> each.name().equals(name)).findFirst().orElse(null);
  }

  /** {@return whether it has a page of values} */
  public boolean hasPage() {
    return (flags & HAS_DATA) != 0;
  }

  /**
   * {@return whether its process was exchanging the values for those of another virtual thread when
   * they were read} Then all are {@link #changing}.
   */
  public boolean isExchanged() {
    return (flags & EXCHANGED) != 0;
  }

  /** {@return where its values start in the page} */
  public int start() {
    return start;
  }

  /**
   * {@return the bytes of a value; null if they would not lie in the thread's pages, or its key is
   * younger than this look at the thread} Where the wire does not know the size, these are all
   * bytes that can belong to it.
   */
  public @Nullable MemorySegment value(SeenKey key) {
    int address = start + key.offset();
    int limit = end;
    if (address < DataPage.SIZE) {
      limit = Math.min(end, DataPage.SIZE);
    } else if ((flags & HAS_MORE) == 0) {
      limit = 0;
    }
    if (!hasPage() || address < from || address >= limit || address + key.size() > limit) {
      return null;
    }
    byte[] value = new byte[Math.min(room(key), limit - address)];
    long there = Math.min(value.length, from + words.byteSize() - address);
    if (there > 0) {
      MemorySegment.copy(words, JAVA_BYTE, (long) address - from, value, 0, (int) there);
    }
    return MemorySegment.ofArray(value);
  }

  private static int room(SeenKey key) {
    return key.size() > 0 ? key.size() : Math.min(key.room(), UNKNOWN_SIZE);
  }

  /** {@return whether a value was written again and again while it was read} */
  public boolean changing(SeenKey key) {
    int first = (start + key.offset() - from) / Long.BYTES;
    int last = (start + key.offset() + room(key) - 1 - from) / Long.BYTES;
    int marked = first < 0 ? -1 : changing.nextSetBit(first);
    return marked >= 0 && marked <= last;
  }
}
