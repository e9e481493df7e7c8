// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

/**
 * Makes sure that an operation of several steps does not run out of stack between two of them: it
 * fails here, with everything as it was.
 */
public final class StackSpace {

  /** Estimated: so many frames take some 20 KiB if compiled, and twice as much if interpreted. */
  private static final int FRAMES = 128;

  private static final int FEW_FRAMES = 16;

  private static final long[] VALUES = new long[12];

  private StackSpace() {}

  /**
   * Checks that the calling thread has stack left for an operation of the library's.
   *
   * @throws StackOverflowError if it has not
   */
  public static void require() {
    long ignored = use(FRAMES, VALUES);
  }

  /**
   * Checks it for a short operation. In a thread that has just begun the full check costs more than
   * the rest of a first use, as it touches pages of the stack that the thread never had.
   *
   * @param known whether the operation was done before, so that it loads no class; else the check
   *     is the full one
   * @throws StackOverflowError if it has not
   */
  public static void require(boolean known) {
    long ignored = use(known ? FEW_FRAMES : FRAMES, VALUES);
  }

  /** Has values in use across the call, which have to lie in the frame. */
  private static long use(int frames, long[] v) {
    if (frames == 0) {
      return 0;
    }
    long a = v[0];
    long b = v[1];
    long c = v[2];
    long d = v[3];
    long e = v[4];
    long f = v[5];
    long g = v[6];
    long h = v[7];
    long i = v[8];
    long j = v[9];
    long k = v[10];
    long l = v[11];
    long below = use(frames - 1, v);
    return below ^ a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ l;
  }
}
