// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;

/**
 * A message between this process and the side that serves it: 32 bytes, in the machine's byte
 * order.
 *
 * <pre>
 *   0         2      4    8        12      16     18      20      24      32
 *   +---------+------+----+--------+-------+------+-------+-------+-------+
 *   | version | kind | id | status | array | page | start | flags | token |
 *   +---------+------+----+--------+-------+------+-------+-------+-------+
 * </pre>
 *
 * @param kind what is asked for; an answer has the asker's
 * @param id the asker's choice, which the answer has, too
 * @param status 0, or in an answer an errno
 * @param array the number of an array
 * @param page which of the array's pages
 * @param start where values begin in that page
 * @param flags what the kind says
 * @param token what the kind says
 * @param descriptor one that comes with the message, or -1
 */
public record Message(
    int kind,
    int id,
    int status,
    int array,
    int page,
    int start,
    int flags,
    long token,
    int descriptor) {

  /** How many bytes each message has. */
  public static final int BYTES = 32;

  /** The only version so far. */
  public static final int VERSION = 1;

  /** Asks for a grant: an array, and the token for it. */
  public static final int GRANT = 1;

  /** Asks for the grant of an earlier connection. */
  public static final int RESUME = 2;

  /** Asks for one more array. */
  public static final int ARRAY = 3;

  /** Registers a thread, whose pidfd comes along. */
  public static final int THREAD = 4;

  /** Registers a thread by its tid. */
  public static final int TID = 5;

  /** Takes a thread's entry out. */
  public static final int LEAVE = 6;

  /** {@return a message that asks for something with no more than a token} */
  public static Message of(int kind, int id, long token) {
    return new Message(kind, id, 0, 0, 0, 0, 0, token, -1);
  }

  /**
   * {@return a message about a thread}
   *
   * @param pidfd the thread's, or -1
   * @param tid the thread's id, if there is no pidfd
   */
  public static Message of(int kind, int id, int array, int page, int start, int pidfd, int tid) {
    return new Message(kind, id, 0, array, page, start, 0, pidfd < 0 ? tid : 0, pidfd);
  }

  void write(MemorySegment to) {
    to.set(JAVA_SHORT, 0, (short) VERSION);
    to.set(JAVA_SHORT, 2, (short) kind);
    to.set(JAVA_INT, 4, id);
    to.set(JAVA_INT, 8, status);
    to.set(JAVA_INT, 12, array);
    to.set(JAVA_SHORT, 16, (short) page);
    to.set(JAVA_SHORT, 18, (short) start);
    to.set(JAVA_INT, 20, flags);
    to.set(JAVA_LONG, 24, token);
  }

  static Message read(MemorySegment from, int descriptor) {
    boolean speaksOurs = from.get(JAVA_SHORT, 0) == VERSION;
    return new Message(
        from.get(JAVA_SHORT, 2),
        from.get(JAVA_INT, 4),
        speaksOurs ? from.get(JAVA_INT, 8) : Errno.EPROTO,
        from.get(JAVA_INT, 12),
        Short.toUnsignedInt(from.get(JAVA_SHORT, 16)),
        Short.toUnsignedInt(from.get(JAVA_SHORT, 18)),
        from.get(JAVA_INT, 20),
        from.get(JAVA_LONG, 24),
        descriptor);
  }
}
