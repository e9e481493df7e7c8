// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.bpf.BpfObject;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/** The atomic ways to change a value, as BPF sees them. */
final class AtomicTests {

  private AtomicTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return Suite.of(
        TestCase.onEachWire("Each atomic change of an int is seen by BPF", AtomicTests::ints),
        TestCase.onEachWire("Each atomic change of a long is seen by BPF", AtomicTests::longs),
        TestCase.onEachWire(
            "Each atomic change of a float or double is seen by BPF", AtomicTests::floats));
  }

  /**
   * A change, from the value 12 to another.
   *
   * @param name of the method
   * @param run makes the change, and returns what the method returns
   * @param returned what the method has to return
   * @param result the value that has to be there afterwards
   */
  private record Change(String name, LongSupplier run, long returned, long result) {}

  private static Change witness(String name, LongSupplier run, long result) {
    return new Change(name, run, 12, result);
  }

  private static Change swap(String name, BooleanSupplier run) {
    return new Change(name, () -> run.getAsBoolean() ? 1 : 0, 1, 7);
  }

  /** A weak compare-and-set may fail for no reason, so it is tried again. */
  private static Change weakly(String name, BooleanSupplier run) {
    return swap(
        name,
        () -> {
          for (int i = 0; i < 1000; i++) {
            if (run.getAsBoolean()) {
              return true;
            }
          }
          return false;
        });
  }

  private static void ints(Fixture fixture) throws Exception {
    TaskLocal.OfInt key = TaskLocal.of("value_int", JAVA_INT);
    BpfObject object = ValueTests.values(fixture);
    MemorySegment seen = object.global("seen_int");
    List<Change> changes =
        List.of(
            witness("getAndSet", () -> key.getAndSet(7), 7),
            witness("getAndAdd", () -> key.getAndAdd(-20), -8),
            witness("getAndBitwiseOr", () -> key.getAndBitwiseOr(3), 15),
            witness("getAndBitwiseAnd", () -> key.getAndBitwiseAnd(6), 4),
            witness("getAndBitwiseXor", () -> key.getAndBitwiseXor(6), 10),
            witness("compareAndExchange", () -> key.compareAndExchange(12, 7), 7),
            witness("compareAndExchange of another", () -> key.compareAndExchange(11, 7), 12),
            witness("getAndSetAcquire", () -> key.getAndSetAcquire(7), 7),
            witness("getAndAddAcquire", () -> key.getAndAddAcquire(-20), -8),
            witness("getAndBitwiseOrAcquire", () -> key.getAndBitwiseOrAcquire(3), 15),
            witness("getAndBitwiseAndAcquire", () -> key.getAndBitwiseAndAcquire(6), 4),
            witness("getAndBitwiseXorAcquire", () -> key.getAndBitwiseXorAcquire(6), 10),
            witness("compareAndExchangeAcquire", () -> key.compareAndExchangeAcquire(12, 7), 7),
            witness(
                "compareAndExchangeAcquire of another",
                () -> key.compareAndExchangeAcquire(11, 7),
                12),
            witness("getAndSetRelease", () -> key.getAndSetRelease(7), 7),
            witness("getAndAddRelease", () -> key.getAndAddRelease(-20), -8),
            witness("getAndBitwiseOrRelease", () -> key.getAndBitwiseOrRelease(3), 15),
            witness("getAndBitwiseAndRelease", () -> key.getAndBitwiseAndRelease(6), 4),
            witness("getAndBitwiseXorRelease", () -> key.getAndBitwiseXorRelease(6), 10),
            witness("compareAndExchangeRelease", () -> key.compareAndExchangeRelease(12, 7), 7),
            witness(
                "compareAndExchangeRelease of another",
                () -> key.compareAndExchangeRelease(11, 7),
                12),
            swap("compareAndSet", () -> key.compareAndSet(12, 7)),
            new Change("compareAndSet of another", () -> key.compareAndSet(11, 7) ? 1 : 0, 0, 12),
            weakly("weakCompareAndSetPlain", () -> key.weakCompareAndSetPlain(12, 7)),
            weakly("weakCompareAndSet", () -> key.weakCompareAndSet(12, 7)),
            weakly("weakCompareAndSetAcquire", () -> key.weakCompareAndSetAcquire(12, 7)),
            weakly("weakCompareAndSetRelease", () -> key.weakCompareAndSetRelease(12, 7)));
    for (Change change : changes) {
      key.set(12);
      Check.equal(change.returned(), change.run().getAsLong(), change.name() + " gives");
      ValueTests.run(object, "read_values");
      Check.equal(change.result(), (long) seen.get(JAVA_INT, 0), change.name() + " in BPF");
    }
  }

  private static void longs(Fixture fixture) throws Exception {
    TaskLocal.OfLong key = TaskLocal.of("value_long", JAVA_LONG);
    BpfObject object = ValueTests.values(fixture);
    MemorySegment seen = object.global("seen_long");
    List<Change> changes =
        List.of(
            witness("getAndSet", () -> key.getAndSet(7), 7),
            witness("getAndAdd", () -> key.getAndAdd(-20), -8),
            witness("getAndBitwiseOr", () -> key.getAndBitwiseOr(3), 15),
            witness("getAndBitwiseAnd", () -> key.getAndBitwiseAnd(6), 4),
            witness("getAndBitwiseXor", () -> key.getAndBitwiseXor(6), 10),
            witness("compareAndExchange", () -> key.compareAndExchange(12, 7), 7),
            witness("compareAndExchange of another", () -> key.compareAndExchange(11, 7), 12),
            witness("getAndSetAcquire", () -> key.getAndSetAcquire(7), 7),
            witness("getAndAddAcquire", () -> key.getAndAddAcquire(-20), -8),
            witness("getAndBitwiseOrAcquire", () -> key.getAndBitwiseOrAcquire(3), 15),
            witness("getAndBitwiseAndAcquire", () -> key.getAndBitwiseAndAcquire(6), 4),
            witness("getAndBitwiseXorAcquire", () -> key.getAndBitwiseXorAcquire(6), 10),
            witness("compareAndExchangeAcquire", () -> key.compareAndExchangeAcquire(12, 7), 7),
            witness(
                "compareAndExchangeAcquire of another",
                () -> key.compareAndExchangeAcquire(11, 7),
                12),
            witness("getAndSetRelease", () -> key.getAndSetRelease(7), 7),
            witness("getAndAddRelease", () -> key.getAndAddRelease(-20), -8),
            witness("getAndBitwiseOrRelease", () -> key.getAndBitwiseOrRelease(3), 15),
            witness("getAndBitwiseAndRelease", () -> key.getAndBitwiseAndRelease(6), 4),
            witness("getAndBitwiseXorRelease", () -> key.getAndBitwiseXorRelease(6), 10),
            witness("compareAndExchangeRelease", () -> key.compareAndExchangeRelease(12, 7), 7),
            witness(
                "compareAndExchangeRelease of another",
                () -> key.compareAndExchangeRelease(11, 7),
                12),
            swap("compareAndSet", () -> key.compareAndSet(12, 7)),
            new Change("compareAndSet of another", () -> key.compareAndSet(11, 7) ? 1 : 0, 0, 12),
            weakly("weakCompareAndSetPlain", () -> key.weakCompareAndSetPlain(12, 7)),
            weakly("weakCompareAndSet", () -> key.weakCompareAndSet(12, 7)),
            weakly("weakCompareAndSetAcquire", () -> key.weakCompareAndSetAcquire(12, 7)),
            weakly("weakCompareAndSetRelease", () -> key.weakCompareAndSetRelease(12, 7)));
    for (Change change : changes) {
      key.set(12);
      Check.equal(change.returned(), change.run().getAsLong(), change.name() + " gives");
      ValueTests.run(object, "read_values");
      Check.equal(change.result(), seen.get(JAVA_LONG, 0), change.name() + " in BPF");
    }
  }

  private static void floats(Fixture fixture) throws Exception {
    TaskLocal.OfFloat aFloat = TaskLocal.of("value_float", JAVA_FLOAT);
    TaskLocal.OfDouble aDouble = TaskLocal.of("value_double", JAVA_DOUBLE);
    BpfObject object = ValueTests.values(fixture);
    aFloat.set(12);
    aDouble.set(12);
    Check.equal(12f, aFloat.getAndSet(-0f), "getAndSet of a float gives");
    Check.equal(12.0, aDouble.getAndSet(-0.0), "getAndSet of a double gives");
    equalFloats(object, -0f, -0.0);
    Check.that(aFloat.compareAndSet(-0f, 7), "compareAndSet of a float fails");
    Check.that(aDouble.compareAndSet(-0.0, 7), "compareAndSet of a double fails");
    equalFloats(object, 7f, 7.0);
    Check.equal(7f, aFloat.compareAndExchange(8, 9), "compareAndExchange of a float gives");
    Check.equal(7.0, aDouble.compareAndExchange(8, 9), "compareAndExchange of a double gives");
    equalFloats(object, 7f, 7.0);
  }

  private static void equalFloats(BpfObject object, float aFloat, double aDouble) {
    ValueTests.run(object, "read_values");
    Check.equal(aFloat, object.global("seen_float").get(JAVA_FLOAT, 0), "the float in BPF");
    Check.equal(aDouble, object.global("seen_double").get(JAVA_DOUBLE, 0), "the double in BPF");
  }
}
