// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.memory.Memory;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.ref.Reference;

/**
 * The accesses to a value of type {@code double}: those of the VarHandle of {@link
 * ValueLayout#JAVA_DOUBLE}, by the same names and in the same memory order, but that {@code get}
 * and {@code set} are opaque where a VarHandle's are plain. None allocates, locks or calls
 * anything.
 */
abstract sealed class DoubleAccess permits TaskLocal.OfDouble, TaskLocal.OfDouble.Bound {

  private static final VarHandle HANDLE = ValueLayout.JAVA_DOUBLE.varHandle();

  DoubleAccess() {}

  /** Where the value lies, in the process's memory. */
  abstract long address();

  /** {@return the value, read whole and in opaque order, as {@link #getOpaque}} */
  public double get() {
    double value = (double) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value, written whole, in opaque order and never left out, as {@link #setOpaque}.
   *
   * @param value the new value
   */
  public void set(double value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in opaque order} */
  public double getOpaque() {
    double value = (double) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in opaque order: a program sees each such write or a later one.
   *
   * @param value the new value
   */
  public void setOpaque(double value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /**
   * {@return the value, read in acquire order: what was written before its {@code setRelease} is
   * seen}
   */
  public double getAcquire() {
    double value = (double) HANDLE.getAcquire(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in release order: who sees it sees what this thread wrote before.
   *
   * @param value the new value
   */
  public void setRelease(double value) {
    HANDLE.setRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in volatile order} */
  public double getVolatile() {
    double value = (double) HANDLE.getVolatile(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in volatile order.
   *
   * @param value the new value
   */
  public void setVolatile(double value) {
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
  public boolean compareAndSet(double expected, double value) {
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
  public double compareAndExchange(double expected, double value) {
    double result = (double) HANDLE.compareAndExchange(Memory.ALL, address(), expected, value);
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
  public double compareAndExchangeAcquire(double expected, double value) {
    double result =
        (double) HANDLE.compareAndExchangeAcquire(Memory.ALL, address(), expected, value);
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
  public double compareAndExchangeRelease(double expected, double value) {
    double result =
        (double) HANDLE.compareAndExchangeRelease(Memory.ALL, address(), expected, value);
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
  public boolean weakCompareAndSetPlain(double expected, double value) {
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
  public boolean weakCompareAndSet(double expected, double value) {
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
  public boolean weakCompareAndSetAcquire(double expected, double value) {
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
  public boolean weakCompareAndSetRelease(double expected, double value) {
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
  public double getAndSet(double value) {
    double result = (double) HANDLE.getAndSet(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value in acquire order.
   *
   * @param value the new value
   * @return the value before
   */
  public double getAndSetAcquire(double value) {
    double result = (double) HANDLE.getAndSetAcquire(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value in release order.
   *
   * @param value the new value
   * @return the value before
   */
  public double getAndSetRelease(double value) {
    double result = (double) HANDLE.getAndSetRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }
}
