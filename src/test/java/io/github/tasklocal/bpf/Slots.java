// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.Clang;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.libbpf.libc_h;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A BPF program that reads slots whatever the kernel has, and their maps, filled as a serving side
 * does. Offsets are those of docs/wires.md.
 */
final class Slots implements AutoCloseable {

  /** What stands in a page before the first value. */
  static final int START = 16;

  private static final int PAGE = 4096;
  private static final int PAGES = 64;
  private static final int NAME = 62;

  private final BpfObject object;
  private final Path arrayFile;
  private final List<BpfObject> made = new ArrayList<>();
  private final Map<Integer, MemorySegment> arrays = new HashMap<>();

  Slots(BpfObject object, Path arrayFile) {
    this.object = object;
    this.arrayFile = arrayFile;
  }

  /** Loads {@code src/test/bpf/NAME.bpf.c}, compiled for slots. */
  static Slots load(Path folder, String name, Wire wire) {
    return new Slots(
        BpfObject.load(Clang.compile(folder, name, "-DTLD_SLOTS", "-DTLD_WIRE=TLD_WIRE_" + wire)),
        Clang.compile(folder, "slot_array"));
  }

  BpfObject object() {
    return object;
  }

  int run(String program) {
    return object.program(program).run();
  }

  int get(String global) {
    return object.global(global).get(JAVA_INT, 0);
  }

  void set(String global, int value) {
    object.global(global).set(JAVA_INT, 0, value);
  }

  /** Makes an array of pages and enters it under a number. */
  void give(int number) {
    BpfObject array = BpfObject.load(arrayFile);
    made.add(array);
    BpfMap map = array.map("pages");
    arrays.put(
        number,
        libc_h
            .mmap(MemorySegment.NULL, (long) PAGES * PAGE, 3, 1, map.fd(), 0)
            .reinterpret((long) PAGES * PAGE));
    object.map("tld_arrays").put(number(number), number(map.fd()));
  }

  /** Takes an array out of the table, as at its process's end. */
  void take(int number) {
    boolean ignored = object.map("tld_arrays").remove(number(number));
  }

  private static MemorySegment number(int number) {
    return MemorySegment.ofArray(new int[] {number});
  }

  MemorySegment page(int array, int page) {
    return arrays.get(array).asSlice((long) page * PAGE, PAGE);
  }

  /** Writes a key into the first page of an array; its name last, as the library does. */
  void key(int array, int index, String name, int offset) {
    MemorySegment key = page(array, 0).asSlice(index * 64L, 64);
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    key.set(JAVA_SHORT, NAME, (short) offset);
    for (int i = bytes.length - 1; i >= 0; i--) {
      key.set(JAVA_BYTE, i, bytes[i]);
    }
  }

  /** Gives the calling thread its entry. */
  void enter(int array, int page, int start, int keysArray) {
    MemorySegment entry = object.global("entry");
    entry.set(JAVA_INT, 0, array);
    entry.set(JAVA_SHORT, 4, (short) page);
    entry.set(JAVA_SHORT, 6, (short) start);
    entry.set(JAVA_INT, 8, keysArray);
    if (run("enter") != 0) {
      throw new AssertionError("no entry");
    }
  }

  /** Sets the sequence of a page, with its mark. */
  void mark(MemorySegment page, int start, int sequence) {
    page.set(JAVA_LONG, start - 8L, (long) sequence << 32 | 0x6b72616dL);
  }

  @Override
  public void close() {
    object.close();
    made.forEach(BpfObject::close);
  }
}
