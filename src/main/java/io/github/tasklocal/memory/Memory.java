// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.NativeAccess;
import io.github.tasklocal.layout.DataPage;
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

  /** The addresses of user space that a value can have: none is negative, each a multiple of 8. */
  private static final long ADDRESSES = Long.MAX_VALUE & -DataPage.ALIGNMENT;

  private Memory() {}

  /**
   * {@return the same address} Now the compiler knows that it lies in {@link #ALL} and is aligned
   * for every type, so that it leaves out both checks of the access.
   *
   * @param address of a value
   */
  public static long at(long address) {
    return address & ADDRESSES;
  }
}
