// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.memory.Memory;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.ref.Reference;

/**
 * The accesses to a value of type {@code float}: those of the VarHandle of {@link
 * ValueLayout#JAVA_FLOAT}, by the same names and in the same memory order, but that {@code get} and
 * {@code set} are opaque where a VarHandle's are plain. None allocates, locks or calls anything,
 * but for a thread's first use of a key, which makes its page.
 */
abstract sealed class FloatAccess permits TaskLocal.OfFloat, TaskLocal.OfFloat.Bound {

  private static final VarHandle HANDLE = ValueLayout.JAVA_FLOAT.varHandle();

  FloatAccess() {}

  /** Where the value lies, in the process's memory. */
  abstract long address();

  /** {@return the value, read whole and in opaque order, as {@link #getOpaque}} */
  public float get() {
    float value = (float) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value, written whole, in opaque order and never left out, as {@link #setOpaque}.
   *
   * @param value the new value
   */
  public void set(float value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in opaque order} */
  public float getOpaque() {
    float value = (float) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in opaque order: a program sees each such write or a later one.
   *
   * @param value the new value
   */
  public void setOpaque(float value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /**
   * {@return the value, read in acquire order: what was written before its {@code setRelease} is
   * seen}
   */
  public float getAcquire() {
    float value = (float) HANDLE.getAcquire(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in release order: who sees it sees what this thread wrote before.
   *
   * @param value the new value
   */
  public void setRelease(float value) {
    HANDLE.setRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in volatile order} */
  public float getVolatile() {
    float value = (float) HANDLE.getVolatile(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in volatile order.
   *
   * @param value the new value
   */
  public void setVolatile(float value) {
    HANDLE.setVolatile(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /**
   * Sets the value if it is the expected one, in volatile order.
   *
   * @param expected what the value must be, bit by bit
   * @param value the new value
   * @return whether it was set
   */
  public boolean compareAndSet(float expected, float value) {
    boolean result = (boolean) HANDLE.compareAndSet(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in volatile order.
   *
   * @param expected what the value must be, bit by bit
   * @param value the new value
   * @return the value found, which is the expected one if it was set
   */
  public float compareAndExchange(float expected, float value) {
    float result = (float) HANDLE.compareAndExchange(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in acquire order.
   *
   * @param expected what the value must be, bit by bit
   * @param value the new value
   * @return the value found, which is the expected one if it was set
   */
  public float compareAndExchangeAcquire(float expected, float value) {
    float result = (float) HANDLE.compareAndExchangeAcquire(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in release order.
   *
   * @param expected what the value must be, bit by bit
   * @param value the new value
   * @return the value found, which is the expected one if it was set
   */
  public float compareAndExchangeRelease(float expected, float value) {
    float result = (float) HANDLE.compareAndExchangeRelease(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in plain order; may fail without a cause.
   *
   * @param expected what the value must be, bit by bit
   * @param value the new value
   * @return whether it was set
   */
  public boolean weakCompareAndSetPlain(float expected, float value) {
    boolean result =
        (boolean) HANDLE.weakCompareAndSetPlain(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in volatile order; may fail without a cause.
   *
   * @param expected what the value must be, bit by bit
   * @param value the new value
   * @return whether it was set
   */
  public boolean weakCompareAndSet(float expected, float value) {
    boolean result = (boolean) HANDLE.weakCompareAndSet(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in acquire order; may fail without a cause.
   *
   * @param expected what the value must be, bit by bit
   * @param value the new value
   * @return whether it was set
   */
  public boolean weakCompareAndSetAcquire(float expected, float value) {
    boolean result =
        (boolean) HANDLE.weakCompareAndSetAcquire(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in release order; may fail without a cause.
   *
   * @param expected what the value must be, bit by bit
   * @param value the new value
   * @return whether it was set
   */
  public boolean weakCompareAndSetRelease(float expected, float value) {
    boolean result =
        (boolean) HANDLE.weakCompareAndSetRelease(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value in volatile order.
   *
   * @param value the new value
   * @return the value before
   */
  public float getAndSet(float value) {
    float result = (float) HANDLE.getAndSet(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value in acquire order.
   *
   * @param value the new value
   * @return the value before
   */
  public float getAndSetAcquire(float value) {
    float result = (float) HANDLE.getAndSetAcquire(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value in release order.
   *
   * @param value the new value
   * @return the value before
   */
  public float getAndSetRelease(float value) {
    float result = (float) HANDLE.getAndSetRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }
}
