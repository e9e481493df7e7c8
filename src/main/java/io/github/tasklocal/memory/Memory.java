// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.NativeAccess;
import java.lang.foreign.MemorySegment;

/** All of the process's memory, by absolute address. */
@SuppressWarnings("restricted")
public final class Memory {

  /**
   * Every address; none where native access is denied, where no key can be made either. Going
   * through one constant segment is cheaper than through a segment for each thread, since the
   * compiler knows all of it but the address (docs/architecture.md has the figures).
   */
  public static final MemorySegment ALL =
      NativeAccess.allowed() ? MemorySegment.NULL.reinterpret(Long.MAX_VALUE) : MemorySegment.NULL;

  /**
   * The bits that an address of user space can have: fewer than the size of {@link #ALL} has, so
   * that no access of 8 bytes can reach beyond its end.
   */
  private static final long ADDRESSES = Long.MAX_VALUE >> 1;

  private Memory() {}

  /**
   * {@return the same address} Now the compiler knows that it lies in {@link #ALL} and is aligned,
   * so that it leaves out both checks of the access.
   *
   * @param address of user space
   * @param alignment what the address is a multiple of; a constant power of two
   */
  public static long at(long address, long alignment) {
    return address & ADDRESSES & -alignment;
  }
}
