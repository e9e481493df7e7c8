// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.memory.Memory;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.ref.Reference;

/**
 * The accesses to a value of type {@code long}: those of the VarHandle of {@link
 * ValueLayout#JAVA_LONG}, by the same names and in the same memory order, but that {@code get} and
 * {@code set} are opaque where a VarHandle's are plain. None allocates, locks or calls anything,
 * but for a thread's first use of a key, which makes its page.
 */
abstract sealed class LongAccess permits TaskLocal.OfLong, TaskLocal.OfLong.Bound {

  private static final VarHandle HANDLE = ValueLayout.JAVA_LONG.varHandle();

  LongAccess() {}

  /** Where the value lies, in the process's memory. */
  abstract long address();

  /** {@return the value, read whole and in opaque order, as {@link #getOpaque}} */
  public long get() {
    long value = (long) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value, written whole, in opaque order and never left out, as {@link #setOpaque}.
   *
   * @param value the new value
   */
  public void set(long value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in opaque order} */
  public long getOpaque() {
    long value = (long) HANDLE.getOpaque(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in opaque order: a program sees each such write or a later one.
   *
   * @param value the new value
   */
  public void setOpaque(long value) {
    HANDLE.setOpaque(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /**
   * {@return the value, read in acquire order: what was written before its {@code setRelease} is
   * seen}
   */
  public long getAcquire() {
    long value = (long) HANDLE.getAcquire(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in release order: who sees it sees what this thread wrote before.
   *
   * @param value the new value
   */
  public void setRelease(long value) {
    HANDLE.setRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
  }

  /** {@return the value, read in volatile order} */
  public long getVolatile() {
    long value = (long) HANDLE.getVolatile(Memory.ALL, address());
    Reference.reachabilityFence(this);
    return value;
  }

  /**
   * Sets the value in volatile order.
   *
   * @param value the new value
   */
  public void setVolatile(long value) {
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
  public boolean compareAndSet(long expected, long value) {
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
  public long compareAndExchange(long expected, long value) {
    long result = (long) HANDLE.compareAndExchange(Memory.ALL, address(), expected, value);
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
  public long compareAndExchangeAcquire(long expected, long value) {
    long result = (long) HANDLE.compareAndExchangeAcquire(Memory.ALL, address(), expected, value);
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
  public long compareAndExchangeRelease(long expected, long value) {
    long result = (long) HANDLE.compareAndExchangeRelease(Memory.ALL, address(), expected, value);
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
  public boolean weakCompareAndSetPlain(long expected, long value) {
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
  public boolean weakCompareAndSet(long expected, long value) {
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
  public boolean weakCompareAndSetAcquire(long expected, long value) {
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
  public boolean weakCompareAndSetRelease(long expected, long value) {
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
  public long getAndSet(long value) {
    long result = (long) HANDLE.getAndSet(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value in acquire order.
   *
   * @param value the new value
   * @return the value before
   */
  public long getAndSetAcquire(long value) {
    long result = (long) HANDLE.getAndSetAcquire(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value in release order.
   *
   * @param value the new value
   * @return the value before
   */
  public long getAndSetRelease(long value) {
    long result = (long) HANDLE.getAndSetRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Adds to the value in volatile order.
   *
   * @param value what to add
   * @return the value before
   */
  public long getAndAdd(long value) {
    long result = (long) HANDLE.getAndAdd(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Adds to the value in acquire order.
   *
   * @param value what to add
   * @return the value before
   */
  public long getAndAddAcquire(long value) {
    long result = (long) HANDLE.getAndAddAcquire(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Adds to the value in release order.
   *
   * @param value what to add
   * @return the value before
   */
  public long getAndAddRelease(long value) {
    long result = (long) HANDLE.getAndAddRelease(Memory.ALL, address(), value);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise or with a mask, in volatile order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public long getAndBitwiseOr(long mask) {
    long result = (long) HANDLE.getAndBitwiseOr(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise or with a mask, in acquire order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public long getAndBitwiseOrAcquire(long mask) {
    long result = (long) HANDLE.getAndBitwiseOrAcquire(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise or with a mask, in release order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public long getAndBitwiseOrRelease(long mask) {
    long result = (long) HANDLE.getAndBitwiseOrRelease(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise and with a mask, in volatile order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public long getAndBitwiseAnd(long mask) {
    long result = (long) HANDLE.getAndBitwiseAnd(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise and with a mask, in acquire order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public long getAndBitwiseAndAcquire(long mask) {
    long result = (long) HANDLE.getAndBitwiseAndAcquire(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise and with a mask, in release order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public long getAndBitwiseAndRelease(long mask) {
    long result = (long) HANDLE.getAndBitwiseAndRelease(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise exclusive or with a mask, in volatile order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public long getAndBitwiseXor(long mask) {
    long result = (long) HANDLE.getAndBitwiseXor(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise exclusive or with a mask, in acquire order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public long getAndBitwiseXorAcquire(long mask) {
    long result = (long) HANDLE.getAndBitwiseXorAcquire(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }

  /**
   * Sets the value to its bitwise exclusive or with a mask, in release order.
   *
   * @param mask the other operand
   * @return the value before
   */
  public long getAndBitwiseXorRelease(long mask) {
    long result = (long) HANDLE.getAndBitwiseXorRelease(Memory.ALL, address(), mask);
    Reference.reachabilityFence(this);
    return result;
  }
}
