// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.NativeAccess;
import java.lang.foreign.MemorySegment;

/** All of the process's memory, by absolute address. */
@SuppressWarnings("restricted")
public final class Memory {

  /**
   * Every address; empty where native access is denied, as no key can be made then. A slice of it
   * is cheaper to make than a segment of its own, for which the caller's rights are checked. One
   * constant segment is cheaper than a segment for each thread, since the compiler knows everything
   * about it (docs/performance.md has the figures).
   */
  public static final MemorySegment ALL =
      NativeAccess.allowed() ? MemorySegment.NULL.reinterpret(Long.MAX_VALUE) : MemorySegment.NULL;

  /**
   * The bits that an address of user space can have: fewer than the size of {@link #ALL}, so that
   * no access of 8 bytes can reach beyond its end.
   */
  private static final long ADDRESSES = Long.MAX_VALUE >> 1;

  private Memory() {}

  /**
   * {@return the same address} The compiler then knows that it lies in {@link #ALL} and is aligned,
   * and leaves out both checks of the access.
   *
   * @param address of user space
   * @param alignment what the address is a multiple of; a constant power of two
   */
  public static long at(long address, long alignment) {
    return address & ADDRESSES & -alignment;
  }
}
