// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.memory.Memory;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.ref.Reference;

/**
 * The accesses to a value of type {@code int}: those of the VarHandle of {@link
 * ValueLayout#JAVA_INT}, by the same names and in the same memory order, but that {@code get} and
 * {@code set} are opaque where a VarHandle's are plain. None allocates, locks or calls anything,
 * but for a thread's first use of a key, which makes its page.
 */
abstract sealed class IntAccess permits TaskLocal.OfInt, TaskLocal.OfInt.Bound {

  private static final VarHandle HANDLE = ValueLayout.JAVA_INT.varHandle();

  IntAccess() {}

  /** Where the value lies, in the process's memory. */
  abstract long address();

  /** {@return the value, read whole and in opaque order, as {@link #getOpaque}} */
  public int get() {
    int value = (int) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value, written whole, in opaque order and never left out, as {@link #setOpaque}.
   *
   * @param value the new value
   */
  public void set(int value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in opaque order} */
  public int getOpaque() {
    int value = (int) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in opaque order: a program sees each such write or a later one.
   *
   * @param value the new value
   */
  public void setOpaque(int value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /**
   * {@return the value, read in acquire order: what was written before its {@code setRelease} is
   * seen}
   */
  public int getAcquire() {
    int value = (int) HANDLE.getAcquire(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in release order: who sees it sees what this thread wrote before.
   *
   * @param value the new value
   */
  public void setRelease(int value) {
    HANDLE.setRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in volatile order} */
  public int getVolatile() {
    int value = (int) HANDLE.getVolatile(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in volatile order.
   *
   * @param value the new value
   */
  public void setVolatile(int value) {
    HANDLE.setVolatile(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /**
   * Sets the value if it is the expected one, in volatile order.
   *
   * @param expected what the value must be
   * @param value the new value
   * @return whether it was set
   */
  public boolean compareAndSet(int expected, int value) {
    boolean result = (boolean) HANDLE.compareAndSet(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in volatile order.
   *
   * @param expected what the value must be
   * @param value the new value
   * @return the value found, which is the expected one if it was set
   */
  public int compareAndExchange(int expected, int value) {
    int result = (int) HANDLE.compareAndExchange(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in acquire order.
   *
   * @param expected what the value must be
   * @param value the new value
   * @return the value found, which is the expected one if it was set
   */
  public int compareAndExchangeAcquire(int expected, int value) {
    int result = (int) HANDLE.compareAndExchangeAcquire(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in release order.
   *
   * @param expected what the value must be
   * @param value the new value
   * @return the value found, which is the expected one if it was set
   */
  public int compareAndExchangeRelease(int expected, int value) {
    int result = (int) HANDLE.compareAndExchangeRelease(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in plain order; may fail without a cause.
   *
   * @param expected what the value must be
   * @param value the new value
   * @return whether it was set
   */
  public boolean weakCompareAndSetPlain(int expected, int value) {
    boolean result =
        (boolean) HANDLE.weakCompareAndSetPlain(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in volatile order; may fail without a cause.
   *
   * @param expected what the value must be
   * @param value the new value
   * @return whether it was set
   */
  public boolean weakCompareAndSet(int expected, int value) {
    boolean result = (boolean) HANDLE.weakCompareAndSet(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in acquire order; may fail without a cause.
   *
   * @param expected what the value must be
   * @param value the new value
   * @return whether it was set
   */
  public boolean weakCompareAndSetAcquire(int expected, int value) {
    boolean result =
        (boolean) HANDLE.weakCompareAndSetAcquire(Memory.ALL, address(), expected, value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value if it is the expected one, in release order; may fail without a cause.
   *
   * @param expected what the value must be
   * @param value the new value
   * @return whether it was set
   */
  public boolean weakCompareAndSetRelease(int expected, int value) {
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
  public int getAndSet(int value) {
    int result = (int) HANDLE.getAndSet(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value in acquire order.
   *
   * @param value the new value
   * @return the value before
   */
  public int getAndSetAcquire(int value) {
    int result = (int) HANDLE.getAndSetAcquire(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value in release order.
   *
   * @param value the new value
   * @return the value before
   */
  public int getAndSetRelease(int value) {
    int result = (int) HANDLE.getAndSetRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Adds to the value in volatile order.
   *
   * @param value what to add
   * @return the value before
   */
  public int getAndAdd(int value) {
    int result = (int) HANDLE.getAndAdd(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Adds to the value in acquire order.
   *
   * @param value what to add
   * @return the value before
   */
  public int getAndAddAcquire(int value) {
    int result = (int) HANDLE.getAndAddAcquire(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Adds to the value in release order.
   *
   * @param value what to add
   * @return the value before
   */
  public int getAndAddRelease(int value) {
    int result = (int) HANDLE.getAndAddRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise or with a mask, in volatile order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public int getAndBitwiseOr(int mask) {
    int result = (int) HANDLE.getAndBitwiseOr(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise or with a mask, in acquire order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public int getAndBitwiseOrAcquire(int mask) {
    int result = (int) HANDLE.getAndBitwiseOrAcquire(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise or with a mask, in release order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public int getAndBitwiseOrRelease(int mask) {
    int result = (int) HANDLE.getAndBitwiseOrRelease(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise and with a mask, in volatile order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public int getAndBitwiseAnd(int mask) {
    int result = (int) HANDLE.getAndBitwiseAnd(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise and with a mask, in acquire order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public int getAndBitwiseAndAcquire(int mask) {
    int result = (int) HANDLE.getAndBitwiseAndAcquire(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise and with a mask, in release order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public int getAndBitwiseAndRelease(int mask) {
    int result = (int) HANDLE.getAndBitwiseAndRelease(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise exclusive or with a mask, in volatile order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public int getAndBitwiseXor(int mask) {
    int result = (int) HANDLE.getAndBitwiseXor(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise exclusive or with a mask, in acquire order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public int getAndBitwiseXorAcquire(int mask) {
    int result = (int) HANDLE.getAndBitwiseXorAcquire(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise exclusive or with a mask, in release order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public int getAndBitwiseXorRelease(int mask) {
    int result = (int) HANDLE.getAndBitwiseXorRelease(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }
}
