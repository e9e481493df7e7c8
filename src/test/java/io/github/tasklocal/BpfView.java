// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * A BPF program with a map of its own that reads and writes the ints "life.00" to "life.63" of any
 * task.
 */
public final class BpfView implements AutoCloseable {

  // Returned if there is no value; all are larger than any int.
  public static final long NO_TASK = 1L << 33;
  public static final long NO_ENTRY = 2L << 33;
  public static final long NO_KEY = 3L << 33;

  private static final int BUSY = 4;

  private final BpfObject object;
  private final Wire wire;

  private BpfView(BpfObject object, Wire wire) {
    this.object = object;
    this.wire = wire;
  }

  /** Compiles the program for a wire. */
  public static Path compile(Path folder, Wire wire) {
    return Clang.compile(folder, "task", "-DTLD_WIRE=TLD_WIRE_" + wire);
  }

  /** Loads a compiled program, which makes a new map. */
  public static BpfView load(Path file, Wire wire) {
    return new BpfView(BpfObject.load(file), wire);
  }

  /** {@return the map in which threads have their entries} */
  public BpfMap map() {
    return object.map(wire.mapName());
  }

  public BpfObject object() {
    return object;
  }

  public Wire wire() {
    return wire;
  }

  /** {@return the value of "life.00" of a task, or why there is none} */
  public long of(int tid) {
    return ask(tid, 0, false, 0);
  }

  /** {@return the value of one of the keys of a task, or why there is none} */
  public long of(int tid, int key) {
    return ask(tid, key, false, 0);
  }

  /** Writes a value; {@return it, or why there is none} */
  public long write(int tid, int key, int value) {
    return ask(tid, key, true, value);
  }

  private long ask(int tid, int key, boolean write, int value) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment question = arena.allocateFrom(JAVA_INT, tid, key, write ? 1 : 0, value);
      int result = object.program("ask").run(question);
      // Busy: another program uses the task's storage on the same CPU.
      for (int tries = 0; result == BUSY && tries < 1000; tries++) {
        Thread.onSpinWait();
        result = object.program("ask").run(question);
      }
      return switch (result) {
        case 0 -> question.getAtIndex(JAVA_INT, 3);
        case 1 -> NO_TASK;
        case 2 -> NO_ENTRY;
        case 3 -> NO_KEY;
        default -> throw new AssertionError("the program answers " + result);
      };
    }
  }

  @Override
  public void close() {
    object.close();
  }
}
