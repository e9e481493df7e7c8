// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;

/** A message between the serving side and a process: {@code docs/serving.md} has its bytes. */
final class Message {

  static final int BYTES = 32;
  static final int VERSION = 1;

  /** The kinds. */
  static final int GRANT = 1;

  static final int RESUME = 2;
  static final int ARRAY = 3;
  static final int THREAD = 4;
  static final int TID = 5;
  static final int LEAVE = 6;

  /** How threads can be registered here: the flags of an answer to GRANT. */
  static final int BY_PIDFD = 1;

  static final int BY_PRCTL = 2;
  static final int BY_TID = 4;

  private final MemorySegment bytes;

  Message(MemorySegment bytes) {
    this.bytes = bytes;
  }

  MemorySegment bytes() {
    return bytes;
  }

  int version() {
    return Short.toUnsignedInt(bytes.get(JAVA_SHORT, 0));
  }

  int kind() {
    return Short.toUnsignedInt(bytes.get(JAVA_SHORT, 2));
  }

  int id() {
    return bytes.get(JAVA_INT, 4);
  }

  int status() {
    return bytes.get(JAVA_INT, 8);
  }

  int array() {
    return bytes.get(JAVA_INT, 12);
  }

  int page() {
    return Short.toUnsignedInt(bytes.get(JAVA_SHORT, 16));
  }

  int start() {
    return Short.toUnsignedInt(bytes.get(JAVA_SHORT, 18));
  }

  long token() {
    return bytes.get(JAVA_LONG, 24);
  }

  /** Makes this an answer, in which nothing is said yet but the status. */
  Message answer(int kind, int id, int status) {
    MemorySegment ignored = bytes.fill((byte) 0);
    bytes.set(JAVA_SHORT, 0, (short) VERSION);
    bytes.set(JAVA_SHORT, 2, (short) kind);
    bytes.set(JAVA_INT, 4, id);
    bytes.set(JAVA_INT, 8, status);
    return this;
  }

  Message array(int number) {
    bytes.set(JAVA_INT, 12, number);
    return this;
  }

  /** What an answer to GRANT and RESUME says. */
  Message grant(int pages, int ways, long token) {
    bytes.set(JAVA_SHORT, 16, (short) pages);
    bytes.set(JAVA_INT, 20, ways);
    bytes.set(JAVA_LONG, 24, token);
    return this;
  }
}
