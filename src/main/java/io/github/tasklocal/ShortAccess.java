// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.memory.Memory;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.ref.Reference;

/**
 * The accesses to a value of type {@code short}: those of the VarHandle of {@link
 * ValueLayout#JAVA_SHORT}, by the same names and in the same memory order, but that {@code get} and
 * {@code set} are opaque where a VarHandle's are plain. None allocates, locks or calls anything,
 * but for a thread's first use of a key, which makes its page.
 */
abstract sealed class ShortAccess permits TaskLocal.OfShort, TaskLocal.OfShort.Bound {

  private static final VarHandle HANDLE = ValueLayout.JAVA_SHORT.varHandle();

  ShortAccess() {}

  /** Where the value lies, in the process's memory. */
  abstract long address();

  /** {@return the value, read whole and in opaque order, as {@link #getOpaque}} */
  public short get() {
    short value = (short) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value, written whole, in opaque order and never left out, as {@link #setOpaque}.
   *
   * @param value the new value
   */
  public void set(short value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in opaque order} */
  public short getOpaque() {
    short value = (short) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in opaque order: a program sees each such write or a later one.
   *
   * @param value the new value
   */
  public void setOpaque(short value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /**
   * {@return the value, read in acquire order: what was written before its {@code setRelease} is
   * seen}
   */
  public short getAcquire() {
    short value = (short) HANDLE.getAcquire(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in release order: who sees it sees what this thread wrote before.
   *
   * @param value the new value
   */
  public void setRelease(short value) {
    HANDLE.setRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in volatile order} */
  public short getVolatile() {
    short value = (short) HANDLE.getVolatile(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in volatile order.
   *
   * @param value the new value
   */
  public void setVolatile(short value) {
    HANDLE.setVolatile(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }
}
