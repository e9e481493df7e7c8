// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;
import static java.lang.foreign.MemoryLayout.PathElement.sequenceElement;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_CHAR;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Garbage;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.invoke.VarHandle.AccessMode;
import java.lang.ref.WeakReference;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class TaskLocalTest {

  private static final TaskLocal.OfBoolean BOOLEAN = TaskLocal.of("t.boolean", JAVA_BOOLEAN);
  private static final TaskLocal.OfByte BYTE = TaskLocal.of("t.byte", JAVA_BYTE);
  private static final TaskLocal.OfShort SHORT = TaskLocal.of("t.short", JAVA_SHORT);
  private static final TaskLocal.OfChar CHAR = TaskLocal.of("t.char", JAVA_CHAR);
  private static final TaskLocal.OfInt INT = TaskLocal.of("t.int", JAVA_INT);
  private static final TaskLocal.OfLong LONG = TaskLocal.of("t.long", JAVA_LONG);
  private static final TaskLocal.OfFloat FLOAT = TaskLocal.of("t.float", JAVA_FLOAT);
  private static final TaskLocal.OfDouble DOUBLE = TaskLocal.of("t.double", JAVA_DOUBLE);
  private static final TaskLocal.OfSegment TENANT =
      TaskLocal.of("t.tenant", MemoryLayout.sequenceLayout(16, JAVA_BYTE));

  private static final StructLayout SPAN_LAYOUT =
      MemoryLayout.structLayout(JAVA_INT.withName("sequence"), JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final TaskLocal.OfSegment SPAN = TaskLocal.of("t.span", SPAN_LAYOUT);

  private static void inNewThread(Runnable body) {
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    Thread thread = new Thread(body);
    thread.setUncaughtExceptionHandler((t, e) -> thrown.set(e));
    thread.start();
    try {
      thread.join();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
    if (thrown.get() != null) {
      throw new AssertionError(thrown.get());
    }
  }

  @Test
  void valuesStartAtZeroInEachThread() {
    inNewThread(
        () -> {
          assertThat(BOOLEAN.get()).isFalse();
          assertThat(BYTE.get()).isZero();
          assertThat(SHORT.get()).isZero();
          assertThat(CHAR.get()).isEqualTo('\0');
          assertThat(INT.get()).isZero();
          assertThat(LONG.get()).isZero();
          assertThat(FLOAT.get()).isZero();
          assertThat(DOUBLE.get()).isZero();
          assertThat(TENANT.getString()).isEmpty();
        });
  }

  @Test
  void eachThreadHasAValueOfItsOwn() {
    INT.set(1);
    inNewThread(
        () -> {
          INT.set(2);
          assertThat(INT.get()).isEqualTo(2);
        });
    assertThat(INT.get()).isEqualTo(1);
  }

  @Test
  void everyTypeKeepsItsExtremes() {
    inNewThread(
        () -> {
          BOOLEAN.set(true);
          BYTE.set(Byte.MIN_VALUE);
          SHORT.set(Short.MIN_VALUE);
          CHAR.set(Character.MAX_VALUE);
          INT.set(Integer.MIN_VALUE);
          LONG.set(Long.MIN_VALUE);
          FLOAT.set(Float.NaN);
          DOUBLE.set(-0.0);
          assertThat(BOOLEAN.get()).isTrue();
          assertThat(BYTE.get()).isEqualTo(Byte.MIN_VALUE);
          assertThat(SHORT.get()).isEqualTo(Short.MIN_VALUE);
          assertThat(CHAR.get()).isEqualTo(Character.MAX_VALUE);
          assertThat(INT.get()).isEqualTo(Integer.MIN_VALUE);
          assertThat(LONG.get()).isEqualTo(Long.MIN_VALUE);
          assertThat(FLOAT.get()).isNaN();
          assertThat(Double.doubleToRawLongBits(DOUBLE.get()))
              .isEqualTo(Double.doubleToRawLongBits(-0.0));
        });
  }

  @Test
  void theSameNameAndLayoutGiveAnEqualKey() {
    TaskLocal.OfInt again = TaskLocal.of("t.int", JAVA_INT);
    assertThat(again).isEqualTo(INT).hasSameHashCodeAs(INT).hasToString(INT.toString());
    assertThat(again.name()).isEqualTo("t.int");
    assertThat(again.layout()).isEqualTo(JAVA_INT);
    assertThat(again).isNotEqualTo(TaskLocal.of("t.int.other", JAVA_INT));
    INT.set(5);
    assertThat(again.get()).isEqualTo(5);
  }

  static Stream<Arguments> primitives() {
    return Stream.of(
        Arguments.of(TaskLocal.OfBoolean.class, TaskLocal.OfBoolean.Bound.class, JAVA_BOOLEAN),
        Arguments.of(TaskLocal.OfByte.class, TaskLocal.OfByte.Bound.class, JAVA_BYTE),
        Arguments.of(TaskLocal.OfShort.class, TaskLocal.OfShort.Bound.class, JAVA_SHORT),
        Arguments.of(TaskLocal.OfChar.class, TaskLocal.OfChar.Bound.class, JAVA_CHAR),
        Arguments.of(TaskLocal.OfInt.class, TaskLocal.OfInt.Bound.class, JAVA_INT),
        Arguments.of(TaskLocal.OfLong.class, TaskLocal.OfLong.Bound.class, JAVA_LONG),
        Arguments.of(TaskLocal.OfFloat.class, TaskLocal.OfFloat.Bound.class, JAVA_FLOAT),
        Arguments.of(TaskLocal.OfDouble.class, TaskLocal.OfDouble.Bound.class, JAVA_DOUBLE));
  }

  @ParameterizedTest
  @MethodSource("primitives")
  void aTypeHasTheAccessorsOfItsVarHandleAndNoOthers(
      Class<?> type, Class<?> bound, ValueLayout layout) {
    VarHandle handle = layout.varHandle();
    Set<String> wanted =
        Stream.of(AccessMode.values())
            .filter(handle::isAccessModeSupported)
            .map(AccessMode::methodName)
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(accessors(type)).isEqualTo(wanted);
    assertThat(accessors(bound)).isEqualTo(wanted);
  }

  private static Set<String> accessors(Class<?> type) {
    Set<String> modes =
        Stream.of(AccessMode.values()).map(AccessMode::methodName).collect(Collectors.toSet());
    return Stream.of(type.getMethods())
        .filter(method -> Modifier.isPublic(method.getModifiers()))
        .map(Method::getName)
        .filter(
            name -> modes.contains(name) || name.startsWith("getAnd") || name.contains("ompare"))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @ParameterizedTest
  @MethodSource("primitives")
  void everyAccessorDoesWhatItsVarHandleDoes(Class<?> type, Class<?> bound, ValueLayout layout)
      throws Throwable {
    Object key =
        TaskLocal.class
            .getMethod("of", String.class, valueLayoutType(layout))
            .invoke(null, "m." + layout.carrier(), layout);
    Object held = type.getMethod("bind").invoke(key);
    VarHandle handle = layout.varHandle();
    MemorySegment model = java.lang.foreign.Arena.ofAuto().allocate(8, 8);
    for (Object target : new Object[] {key, held}) {
      for (AccessMode mode : AccessMode.values()) {
        if (!handle.isAccessModeSupported(mode)) {
          continue;
        }
        for (int start : new int[] {0, 1}) {
          handle.set(model, 0L, boxed(layout.carrier(), start));
          call(target, "set", boxed(layout.carrier(), start));
          var expectedType = handle.accessModeType(mode);
          Object[] values = new Object[expectedType.parameterCount() - 2];
          for (int i = 0; i < values.length; i++) {
            values[i] = boxed(layout.carrier(), i);
          }
          Object[] all = new Object[values.length + 2];
          all[0] = model;
          all[1] = 0L;
          System.arraycopy(values, 0, all, 2, values.length);
          Object expected = handle.toMethodHandle(mode).asFixedArity().invokeWithArguments(all);
          Object actual = call(target, mode.methodName(), values);
          if (!mode.methodName().startsWith("weak")) {
            assertThat(actual).as("%s of %s from %d", mode, layout, start).isEqualTo(expected);
            assertThat(call(key, "get"))
                .as("value after %s of %s from %d", mode, layout, start)
                .isEqualTo(handle.get(model, 0L));
          }
        }
      }
    }
  }

  private static Class<?> valueLayoutType(ValueLayout layout) {
    for (Class<?> each : ValueLayout.class.getClasses()) {
      if (each.isInstance(layout)) {
        return each;
      }
    }
    throw new AssertionError(layout);
  }

  private static Object boxed(Class<?> carrier, int value) {
    return switch (carrier.getSimpleName()) {
      case "boolean" -> value != 0;
      case "byte" -> (byte) value;
      case "short" -> (short) value;
      case "char" -> (char) value;
      case "int" -> value;
      case "long" -> (long) value;
      case "float" -> (float) value;
      case "double" -> (double) value;
      default -> throw new AssertionError(carrier);
    };
  }

  private static Object call(Object target, String name, Object... values) throws Exception {
    for (Method method : target.getClass().getMethods()) {
      if (method.getName().equals(name) && method.getParameterCount() == values.length) {
        return method.invoke(target, values);
      }
    }
    throw new AssertionError("no " + name + " in " + target.getClass());
  }

  @Test
  void aBoundValueIsThatOfTheThreadThatBoundItWhoeverUsesIt() {
    inNewThread(
        () -> {
          TaskLocal.OfInt.Bound bound = INT.bind();
          bound.set(11);
          assertThat(INT.get()).isEqualTo(11);
          inNewThread(
              () -> {
                assertThat(bound.get()).isEqualTo(11);
                bound.set(12);
                assertThat(INT.get()).isZero();
              });
          assertThat(INT.get()).isEqualTo(12);
        });
  }

  @Test
  void aBoundValueOutlivesItsThreadAsPlainMemory() {
    AtomicReference<TaskLocal.OfLong.Bound> bound = new AtomicReference<>();
    inNewThread(
        () -> {
          LONG.set(77);
          bound.set(LONG.bind());
        });
    for (int i = 0; i < 20; i++) {
      System.gc();
      inNewThread(() -> LONG.set(-1));
      assertThat(bound.get().get()).isEqualTo(77);
    }
  }

  @Test
  void thePageOfAnEndedThreadServesANewThreadAndStartsAtZero() throws Exception {
    // The set of addresses stops growing: nothing but reuse can make that happen.
    Set<Long> addresses = new TreeSet<>();
    for (int i = 0; i < 400; i++) {
      inNewThread(
          () -> {
            assertThat(LONG.get()).isZero();
            LONG.set(-1);
            addresses.add(SPAN.segment().address());
          });
      if (i % 20 == 19) {
        Garbage.collect();
      }
    }
    assertThat(addresses.size()).isLessThan(200);
  }

  @Test
  void aSegmentIsConfinedToItsThreadAndDeadWithIt() throws Exception {
    AtomicReference<MemorySegment> segment = new AtomicReference<>();
    CountDownLatch made = new CountDownLatch(1);
    CountDownLatch tried = new CountDownLatch(1);
    Thread owner =
        new Thread(
            () -> {
              segment.set(SPAN.segment());
              made.countDown();
              try {
                tried.await();
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
            });
    owner.start();
    made.await();
    assertThat(segment.get().byteSize()).isEqualTo(24);
    assertThatThrownBy(() -> segment.get().get(JAVA_INT, 0))
        .isInstanceOf(WrongThreadException.class);
    tried.countDown();
    owner.join();
    assertThatThrownBy(() -> segment.get().get(JAVA_INT, 0))
        .isInstanceOf(WrongThreadException.class);
  }

  @Test
  void aSegmentReachesItsOwnBytesAlone() {
    MemorySegment segment = SPAN.segment();
    segment.set(JAVA_LONG, 8, 5);
    assertThat(SPAN.segment().get(JAVA_LONG, 8)).isEqualTo(5);
    assertThatThrownBy(() -> segment.set(JAVA_BYTE, 24, (byte) 1))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> segment.reinterpret(25).set(JAVA_BYTE, -1, (byte) 1))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void anUpdateHasAnOddSequenceWhileItRunsAndTwoMoreAfterwards() {
    inNewThread(
        () -> {
          SPAN.update(
              span -> {
                assertThat(span.get(JAVA_INT, 0)).isEqualTo(1);
                span.set(JAVA_LONG, 8, 1);
                assertThatThrownBy(() -> SPAN.update(inner -> {}))
                    .isInstanceOf(IllegalStateException.class);
              });
          assertThat(SPAN.segment().get(JAVA_INT, 0)).isEqualTo(2);
          assertThatThrownBy(
                  () ->
                      SPAN.update(
                          span -> {
                            throw new ArithmeticException();
                          }))
              .isInstanceOf(ArithmeticException.class);
          assertThat(SPAN.segment().get(JAVA_INT, 0)).isEqualTo(4);
        });
  }

  @Test
  void anUpdateWithoutASequenceInTheLayoutIsRefused() {
    assertThatThrownBy(() -> TENANT.update(tenant -> {}))
        .isInstanceOf(UnsupportedOperationException.class)
        .hasMessageContaining("sequence");
  }

  @Test
  void aTextIsSetWholeOrNotAtAll() {
    TENANT.setString("größe 🔑");
    assertThat(TENANT.getString()).isEqualTo("größe 🔑");
    assertThatThrownBy(() -> TENANT.setString("x".repeat(16)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("16 bytes", "15 fit");
    assertThatThrownBy(() -> TENANT.setString("ü".repeat(8)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> TENANT.setString("a\0b")).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> TENANT.setString("\ud83d"))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(TENANT.getString()).isEqualTo("größe 🔑");
    TENANT.setString("x");
    assertThat(TENANT.segment().toArray(JAVA_BYTE)).startsWith('x', 0, 0).endsWith(0);
    TENANT.setString("x".repeat(15));
    assertThat(TENANT.getString()).isEqualTo("x".repeat(15));
  }

  @Test
  void aTaskOfTheCommonPoolHasValues() throws ExecutionException, InterruptedException {
    CompletableFuture<Integer> set =
        CompletableFuture.supplyAsync(
            () -> {
              INT.set(21);
              return INT.get();
            });
    assertThat(set.get()).isEqualTo(21);
  }

  private static final StructLayout TRACE =
      MemoryLayout.structLayout(
          JAVA_LONG.withName("high"),
          JAVA_INT.withName("kind"),
          MemoryLayout.sequenceLayout(3, JAVA_INT).withName("counts"));
  private static final TaskLocal.OfSegment TRACED = TaskLocal.of("unit.traced", TRACE);
  private static final VarHandle HIGH = TRACED.varHandle(groupElement("high"));
  private static final VarHandle KIND = TRACED.varHandle(groupElement("kind"));
  private static final VarHandle COUNTS =
      TRACED.varHandle(groupElement("counts"), sequenceElement());
  private static final VarHandle HELD_KIND = TRACED.boundVarHandle(groupElement("kind"));
  private static final VarHandle HELD_COUNTS =
      TRACED.boundVarHandle(groupElement("counts"), sequenceElement());

  @Test
  void aHandleOfAMemberReachesTheCallingThreadsValue() throws Exception {
    HIGH.setOpaque(7L);
    KIND.setVolatile(3);
    COUNTS.setOpaque(2L, 5);
    assertThat((int) KIND.getAndAdd(1)).isEqualTo(3);
    assertThat(TRACED.segment().get(JAVA_LONG, 0)).isEqualTo(7);
    assertThat(TRACED.segment().get(JAVA_INT, 8)).isEqualTo(4);
    assertThat(TRACED.segment().get(JAVA_INT, 20)).isEqualTo(5);
    try (var pool = Executors.newSingleThreadExecutor()) {
      assertThat(pool.submit(() -> (int) KIND.getOpaque()).get()).as("another thread's").isZero();
    }
    try (var pool = Executors.newSingleThreadExecutor(TaskLocalThread.factory("traced-"))) {
      assertThat(
              pool.submit(
                      () -> {
                        KIND.setOpaque(9);
                        return TRACED.segment().get(JAVA_INT, 8);
                      })
                  .get())
          .isEqualTo(9);
    }
    assertThat((int) KIND.getOpaque()).isEqualTo(4);
  }

  @Test
  void aHandleOfAMemberStaysWithinIt() {
    assertThatThrownBy(() -> COUNTS.setOpaque(3L, 1)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> COUNTS.setOpaque(-1L, 1))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> TRACED.varHandle(groupElement("none")))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> TRACED.varHandle(groupElement("counts")))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aHandleReachesAHeldValueFromItsOwnThreadAlone() throws Exception {
    TaskLocal.OfSegment.Bound held = TRACED.bind();
    HELD_KIND.setOpaque(held, 6);
    HELD_COUNTS.setOpaque(held, 1L, 8);
    assertThat(TRACED.segment().get(JAVA_INT, 8)).isEqualTo(6);
    assertThat(held.segment().get(JAVA_INT, 16)).isEqualTo(8);
    try (var pool = Executors.newSingleThreadExecutor()) {
      pool.submit(
              () ->
                  assertThatThrownBy(() -> HELD_KIND.setOpaque(held, 1))
                      .isInstanceOf(WrongThreadException.class)
                      .hasMessageContaining("segment()"))
          .get();
    }
    assertThat((int) HELD_KIND.getOpaque(held)).isEqualTo(6);
  }

  @Test
  void aHandleReachesNoOtherKeysHeldValue() {
    TaskLocal.OfSegment large =
        TaskLocal.of("unit.large", MemoryLayout.sequenceLayout(64, JAVA_LONG));
    VarHandle handle = large.boundVarHandle(sequenceElement());
    TaskLocal.OfSegment.Bound small = TRACED.bind();
    assertThatThrownBy(() -> handle.setOpaque(small, 60L, 1L))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("unit.large")
        .hasMessageContaining("unit.traced");
    handle.setOpaque(large.bind(), 60L, 5L);
    assertThat(large.segment().getAtIndex(JAVA_LONG, 60)).isEqualTo(5);
    assertThat(TaskLocal.of("unit.large", MemoryLayout.sequenceLayout(64, JAVA_LONG)).bind())
        .as("an equal key")
        .satisfies(equal -> assertThat((long) handle.getOpaque(equal, 60L)).isEqualTo(5));
  }

  @Test
  void nothingKeepsAnEndedThread() throws Exception {
    List<WeakReference<Thread>> ended = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      Thread thread =
          new Thread(
              () -> {
                INT.set(1);
                TRACED.segment().set(JAVA_LONG, 0, 1);
                TRACED.bind().segment().set(JAVA_LONG, 0, 2);
                KIND.setOpaque(3);
              });
      thread.start();
      thread.join();
      ended.add(new WeakReference<>(thread));
    }
    Await.until(
        "the ended threads are collected",
        () -> {
          System.gc();
          return ended.stream().allMatch(each -> each.get() == null);
        });
  }
}
