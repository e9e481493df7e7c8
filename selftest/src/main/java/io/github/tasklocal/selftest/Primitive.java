// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.LongStream;

/**
 * A primitive type as its bits, so that one test serves all types.
 *
 * @param name Java's name for it, which the globals and keys of {@code values.bpf.c} contain
 * @param bytes its size in bytes
 * @param special values at which something could go wrong
 * @param random whether all other bit patterns are values too
 * @param access makes the key and returns the ways to its values
 */
record Primitive(
    String name, int bytes, List<Long> special, boolean random, Supplier<Access> access) {

  /**
   * The ways to write and to read a value.
   *
   * @param setters all write the value
   * @param getters all return the value
   */
  record Access(List<LongConsumer> setters, List<LongSupplier> getters) {}

  /** {@return bit patterns to try: the special ones, and some at random} */
  long[] patterns(Random chance) {
    LongStream more = random ? chance.longs(40) : LongStream.empty();
    return LongStream.concat(special.stream().mapToLong(Long::longValue), more)
        .map(this::cut)
        .toArray();
  }

  /** {@return the bits that fit} */
  long cut(long bits) {
    return bytes == Long.BYTES ? bits : bits & ((1L << (bytes * 8)) - 1);
  }

  /** {@return the bits of a variable of a program} */
  long get(MemorySegment variable) {
    return cut(
        switch (bytes) {
          case 1 -> variable.get(ValueLayout.JAVA_BYTE, 0);
          case 2 -> variable.get(ValueLayout.JAVA_SHORT, 0);
          case 4 -> variable.get(ValueLayout.JAVA_INT, 0);
          default -> variable.get(ValueLayout.JAVA_LONG, 0);
        });
  }

  /** Sets a variable of a program. */
  void set(MemorySegment variable, long bits) {
    switch (bytes) {
      case 1 -> variable.set(ValueLayout.JAVA_BYTE, 0, (byte) bits);
      case 2 -> variable.set(ValueLayout.JAVA_SHORT, 0, (short) bits);
      case 4 -> variable.set(ValueLayout.JAVA_INT, 0, (int) bits);
      default -> variable.set(ValueLayout.JAVA_LONG, 0, bits);
    }
  }

  private static List<Long> bits(long... patterns) {
    return LongStream.of(patterns).boxed().toList();
  }

  /** {@return the eight types} */
  static List<Primitive> all() {
    return List.of(
        new Primitive("boolean", 1, bits(1, 0, 1), false, Primitive::booleans),
        new Primitive(
            "byte", 1, bits(1, -1, Byte.MIN_VALUE, Byte.MAX_VALUE), true, Primitive::bytesOf),
        new Primitive(
            "short", 2, bits(1, -1, Short.MIN_VALUE, Short.MAX_VALUE), true, Primitive::shorts),
        new Primitive(
            "char", 2, bits('a', 'ß', '€', '\ud83d', Character.MAX_VALUE), true, Primitive::chars),
        new Primitive(
            "int", 4, bits(1, -1, Integer.MIN_VALUE, Integer.MAX_VALUE), true, Primitive::ints),
        new Primitive(
            "long", 8, bits(1, -1, Long.MIN_VALUE, Long.MAX_VALUE), true, Primitive::longs),
        new Primitive(
            "float",
            4,
            bits(
                Float.floatToRawIntBits(-1.5f),
                Float.floatToRawIntBits(-0f),
                Float.floatToRawIntBits(Float.MIN_VALUE),
                Float.floatToRawIntBits(Float.MAX_VALUE),
                Float.floatToRawIntBits(Float.NEGATIVE_INFINITY),
                Float.floatToRawIntBits(Float.NaN),
                0x7fc12345,
                0xffc00001),
            false,
            Primitive::floats),
        new Primitive(
            "double",
            8,
            bits(
                Double.doubleToRawLongBits(-1.5),
                Double.doubleToRawLongBits(-0.0),
                Double.doubleToRawLongBits(Double.MIN_VALUE),
                Double.doubleToRawLongBits(Double.MAX_VALUE),
                Double.doubleToRawLongBits(Double.NEGATIVE_INFINITY),
                Double.doubleToRawLongBits(Double.NaN),
                0x7ff8_0000_1234_5678L,
                0xfff8_0000_0000_0001L),
            false,
            Primitive::doubles));
  }

  private static Access booleans() {
    TaskLocal.OfBoolean key = TaskLocal.of("value_boolean", ValueLayout.JAVA_BOOLEAN);
    return new Access(
        List.of(
            bits -> key.set(bits != 0),
            bits -> key.setOpaque(bits != 0),
            bits -> key.setRelease(bits != 0),
            bits -> key.setVolatile(bits != 0)),
        List.of(
            () -> key.get() ? 1 : 0,
            () -> key.getOpaque() ? 1 : 0,
            () -> key.getAcquire() ? 1 : 0,
            () -> key.getVolatile() ? 1 : 0));
  }

  private static Access bytesOf() {
    TaskLocal.OfByte key = TaskLocal.of("value_byte", ValueLayout.JAVA_BYTE);
    return new Access(
        List.of(
            bits -> key.set((byte) bits),
            bits -> key.setOpaque((byte) bits),
            bits -> key.setRelease((byte) bits),
            bits -> key.setVolatile((byte) bits)),
        List.of(
            () -> key.get(),
            () -> key.getOpaque(),
            () -> key.getAcquire(),
            () -> key.getVolatile()));
  }

  private static Access shorts() {
    TaskLocal.OfShort key = TaskLocal.of("value_short", ValueLayout.JAVA_SHORT);
    return new Access(
        List.of(
            bits -> key.set((short) bits),
            bits -> key.setOpaque((short) bits),
            bits -> key.setRelease((short) bits),
            bits -> key.setVolatile((short) bits)),
        List.of(
            () -> key.get(),
            () -> key.getOpaque(),
            () -> key.getAcquire(),
            () -> key.getVolatile()));
  }

  private static Access chars() {
    TaskLocal.OfChar key = TaskLocal.of("value_char", ValueLayout.JAVA_CHAR);
    return new Access(
        List.of(
            bits -> key.set((char) bits),
            bits -> key.setOpaque((char) bits),
            bits -> key.setRelease((char) bits),
            bits -> key.setVolatile((char) bits)),
        List.of(
            () -> key.get(),
            () -> key.getOpaque(),
            () -> key.getAcquire(),
            () -> key.getVolatile()));
  }

  private static Access ints() {
    TaskLocal.OfInt key = TaskLocal.of("value_int", ValueLayout.JAVA_INT);
    return new Access(
        List.of(
            bits -> key.set((int) bits),
            bits -> key.setOpaque((int) bits),
            bits -> key.setRelease((int) bits),
            bits -> key.setVolatile((int) bits)),
        List.of(
            () -> key.get(),
            () -> key.getOpaque(),
            () -> key.getAcquire(),
            () -> key.getVolatile()));
  }

  private static Access longs() {
    TaskLocal.OfLong key = TaskLocal.of("value_long", ValueLayout.JAVA_LONG);
    return new Access(
        List.of(key::set, key::setOpaque, key::setRelease, key::setVolatile),
        List.of(key::get, key::getOpaque, key::getAcquire, key::getVolatile));
  }

  private static Access floats() {
    TaskLocal.OfFloat key = TaskLocal.of("value_float", ValueLayout.JAVA_FLOAT);
    return new Access(
        List.of(
            bits -> key.set(Float.intBitsToFloat((int) bits)),
            bits -> key.setOpaque(Float.intBitsToFloat((int) bits)),
            bits -> key.setRelease(Float.intBitsToFloat((int) bits)),
            bits -> key.setVolatile(Float.intBitsToFloat((int) bits))),
        List.of(
            () -> Float.floatToRawIntBits(key.get()),
            () -> Float.floatToRawIntBits(key.getOpaque()),
            () -> Float.floatToRawIntBits(key.getAcquire()),
            () -> Float.floatToRawIntBits(key.getVolatile())));
  }

  private static Access doubles() {
    TaskLocal.OfDouble key = TaskLocal.of("value_double", ValueLayout.JAVA_DOUBLE);
    return new Access(
        List.of(
            bits -> key.set(Double.longBitsToDouble(bits)),
            bits -> key.setOpaque(Double.longBitsToDouble(bits)),
            bits -> key.setRelease(Double.longBitsToDouble(bits)),
            bits -> key.setVolatile(Double.longBitsToDouble(bits))),
        List.of(
            () -> Double.doubleToRawLongBits(key.get()),
            () -> Double.doubleToRawLongBits(key.getOpaque()),
            () -> Double.doubleToRawLongBits(key.getAcquire()),
            () -> Double.doubleToRawLongBits(key.getVolatile())));
  }
}
