// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A thread's page of values. One page serves the three wires:
 *
 * <pre>
 *   0        8    12   16       24                    4096
 *   +--------+----+----+--------+---------------------+
 *   | u64 16 |mark|seq | key 0  | key 1  ...          |
 *   +--------+----+----+--------+---------------------+
 *   |         |         each value aligned to 8 bytes, offsets only grow
 *   |         u32 each: a constant, and a sequence that is odd while values are exchanged
 *   wire B reads its start offset here; A and C carry theirs in the map's value
 * </pre>
 *
 * <p>The sequence is for values that follow a virtual thread: what of them was read before an
 * exchange does not belong to what is read after it. The constant tells that there is a sequence,
 * as pages of other programs have none.
 */
public final class DataPage {

  /** The size in bytes of every page that is shared with the kernel, by all three wires. */
  public static final int SIZE = 4096;

  /** Where the first value lies, in bytes from the page's beginning. */
  public static final int START = 16;

  /** What values are aligned to, in bytes. */
  public static final int ALIGNMENT = 8;

  /** How many bytes of values one page can hold. */
  public static final int CAPACITY = SIZE - START;

  /** Where the sequence lies, in bytes from the page's beginning. */
  public static final int SEQUENCE = 12;

  private static final int MARK_OFFSET = 8;

  /** The letters "mark". */
  private static final int MARK = 0x6b72616d;

  private DataPage() {}

  /**
   * Makes a page that of a new thread: zeroes it, and writes what stands before the values. To be
   * called by the thread itself, so that the page lies in memory near its processor. Before that it
   * may have been another thread's (litmus/page.litmus); after it, programs get it
   * (litmus/entry.litmus).
   *
   * @param page a whole page, or a thread's part of one
   */
  public static void prepare(MemorySegment page) {
    MemorySegment ignored = page.fill((byte) 0);
    page.set(ValueLayout.JAVA_LONG, 0, START);
    page.set(ValueLayout.JAVA_INT, MARK_OFFSET, MARK);
  }

  /** {@return how many bytes a value takes, with the padding up to the next one} */
  static int aligned(int size) {
    return (size + ALIGNMENT - 1) & -ALIGNMENT;
  }
}
