// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_CHAR;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import io.github.tasklocal.kit.Await;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

class TaskLocalScopeTest {

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
  private static final TaskLocal.OfSegment SMALL =
      TaskLocal.of("t.small", MemoryLayout.sequenceLayout(5, JAVA_BYTE));
  private static final TaskLocal.OfSegment THIRTEEN =
      TaskLocal.of("t.thirteen", MemoryLayout.sequenceLayout(13, JAVA_BYTE));
  private static final TaskLocal.OfSegment SPAN =
      TaskLocal.of(
          "t.span",
          MemoryLayout.structLayout(JAVA_INT.withName("sequence"), JAVA_INT, JAVA_LONG, JAVA_LONG));

  private static final TaskLocalScope SEVEN = INT.with(7);

  private static <T> void assertInside(TaskLocalScope scope, Supplier<T> value, T expected) {
    T before = value.get();
    assertThat((Object) before).isNotEqualTo(expected);
    AtomicReference<T> run = new AtomicReference<>();
    scope.run(() -> run.set(value.get()));
    assertThat((Object) run.get()).isEqualTo(expected);
    assertThat((Object) value.get()).as("after run").isEqualTo(before);
    T called = scope.call(value::get);
    assertThat((Object) called).isEqualTo(expected);
    assertThat((Object) value.get()).as("after call").isEqualTo(before);
  }

  @Test
  void everyTypeHasItsValueInsideAndTheOldOneAfterwards() {
    BOOLEAN.set(true);
    assertInside(BOOLEAN.with(false), BOOLEAN::get, false);
    BOOLEAN.set(false);
    assertInside(BOOLEAN.with(true), BOOLEAN::get, true);
    BYTE.set((byte) 1);
    assertInside(BYTE.with(Byte.MIN_VALUE), BYTE::get, Byte.MIN_VALUE);
    SHORT.set((short) -1);
    assertInside(SHORT.with(Short.MAX_VALUE), SHORT::get, Short.MAX_VALUE);
    CHAR.set('a');
    assertInside(CHAR.with(Character.MAX_VALUE), CHAR::get, Character.MAX_VALUE);
    INT.set(-5);
    assertInside(INT.with(Integer.MIN_VALUE), INT::get, Integer.MIN_VALUE);
    LONG.set(Long.MAX_VALUE);
    assertInside(LONG.with(Long.MIN_VALUE), LONG::get, Long.MIN_VALUE);
    FLOAT.set(-0.0f);
    assertInside(FLOAT.with(Float.NaN), FLOAT::get, Float.NaN);
    DOUBLE.set(Double.NEGATIVE_INFINITY);
    assertInside(DOUBLE.with(0.1), DOUBLE::get, 0.1);
  }

  @Test
  void bytesAndTextsAreWholeInsideAndAfterwards() {
    TENANT.setString("before, 15 long");
    assertInside(TENANT.with("acmé"), TENANT::getString, "acmé");
    byte[] all = new byte[16];
    Arrays.fill(all, (byte) 'x');
    MemorySegment source = MemorySegment.ofArray(all);
    TaskLocalScope sixteen = TENANT.with(source);
    MemorySegment ignored = source.fill((byte) 'y'); // it was copied
    assertInside(sixteen, TENANT::getString, "x".repeat(16));
    SMALL.setString("1234");
    assertInside(SMALL.with("ab"), SMALL::getString, "ab");
    assertInside(SMALL.with(""), SMALL::getString, "");
    MemorySegment five = MemorySegment.ofArray(new byte[] {'a', 'b', 'c', 'd', 'e'});
    assertInside(SMALL.with(five), SMALL::getString, "abcde");
    LONG.set(-1); // other keys, wherever they lie
    assertInside(THIRTEEN.with("twelve bytes"), THIRTEEN::getString, "twelve bytes");
    assertThat(LONG.get()).isEqualTo(-1);
  }

  @Test
  void aStructWithASequenceIsWrittenAsByUpdate() {
    SPAN.update(span -> span.set(JAVA_LONG, 8, 1));
    int sequence = SPAN.segment().get(JAVA_INT, 0);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(24, 8);
      value.set(JAVA_INT, 0, 12345); // does not matter
      value.set(JAVA_LONG, 8, 2);
      TaskLocalScope scope = SPAN.with(value);
      scope.run(
          () -> {
            assertThat(SPAN.segment().get(JAVA_INT, 0)).isEqualTo(sequence + 2);
            assertThat(SPAN.segment().get(JAVA_LONG, 8)).isEqualTo(2);
          });
      assertThat(SPAN.segment().get(JAVA_INT, 0)).isEqualTo(sequence + 4);
      assertThat(SPAN.segment().get(JAVA_LONG, 8)).isEqualTo(1);
    }
    assertThatThrownBy(() -> SPAN.with("text"))
        .isInstanceOf(UnsupportedOperationException.class)
        .hasMessageContaining("sequence");
  }

  @Test
  void bytesThatAreNotTheValuesSizeAreRefused() {
    MemorySegment fifteen = MemorySegment.ofArray(new byte[15]);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TENANT.with(fifteen))
        .withMessageContainingAll("15 bytes", "t.tenant 16");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TENANT.with("sixteen bytes ..."))
        .withMessageContaining("15 fit");
  }

  @Test
  void scopesNestAndEachPutsBackWhatItFound() {
    INT.set(1);
    LONG.set(10);
    INT.with(2)
        .run(
            () -> {
              LONG.with(20).run(() -> SEVEN.run(() -> assertThat(sum()).isEqualTo(27)));
              assertThat(sum()).isEqualTo(12);
              SEVEN.run(() -> SEVEN.run(() -> assertThat(sum()).isEqualTo(17)));
              assertThat(sum()).isEqualTo(12);
            });
    assertThat(sum()).isEqualTo(11);
  }

  private static long sum() {
    return INT.get() + LONG.get();
  }

  @Test
  void whatIsSetInsideIsOverwrittenAtTheEndAndOtherKeysAreLeftAlone() {
    INT.set(1);
    LONG.set(1);
    SEVEN.run(
        () -> {
          INT.set(8);
          LONG.set(2);
        });
    assertThat(INT.get()).isEqualTo(1);
    assertThat(LONG.get()).isEqualTo(2);
  }

  @Test
  void theOldValueComesBackWhenTheCodeThrows() {
    INT.set(1);
    TENANT.setString("before");
    RuntimeException thrown = new IllegalStateException("inside");
    Runnable throwing =
        () -> {
          throw thrown;
        };
    assertThatThrownBy(() -> SEVEN.run(throwing)).isSameAs(thrown);
    assertThatThrownBy(() -> TENANT.with("inside").run(throwing)).isSameAs(thrown);
    assertThatThrownBy(
            () ->
                SEVEN.call(
                    () -> {
                      throw thrown;
                    }))
        .isSameAs(thrown);
    assertThat(INT.get()).isEqualTo(1);
    assertThat(TENANT.getString()).isEqualTo("before");
  }

  /** That this compiles is half of the test. */
  @Test
  void checkedExceptionsPassAsTheyAre() throws Exception {
    int none = SEVEN.call(INT::get);
    assertThat(none).isEqualTo(7);
    Callable<Integer> callable = INT::get;
    int called = SEVEN.call(callable::call);
    assertThat(called).isEqualTo(7);
    IOException thrown = new IOException("inside");
    try {
      String never = SEVEN.call(() -> failing(thrown));
      throw new AssertionError(never);
    } catch (IOException e) {
      assertThat(e).isSameAs(thrown);
    }
  }

  private static String failing(IOException thrown) throws IOException {
    throw thrown;
  }

  @Test
  @SuppressWarnings("try") // closed before its end
  void anEnteredValueLastsUntilItIsClosedAndNests() throws IOException {
    INT.set(1);
    TENANT.setString("before");
    try (var outer = INT.enter(2);
        var _ = TENANT.enter("acme")) {
      assertThat(INT.get()).isEqualTo(2);
      try (var _ = SEVEN.enter();
          var _ = TENANT.enter(MemorySegment.ofArray("sixteen bytes ..".getBytes(UTF_8)))) {
        assertThat(INT.get()).isEqualTo(7);
        assertThat(TENANT.getString()).isEqualTo("sixteen bytes ..");
      }
      assertThat(INT.get()).isEqualTo(2);
      assertThat(TENANT.getString()).isEqualTo("acme");
      outer.close();
      assertThat(INT.get()).isEqualTo(1);
      INT.set(3);
    }
    assertThat(INT.get()).as("closed twice").isEqualTo(3);
    assertThat(TENANT.getString()).isEqualTo("before");
  }

  @Test
  void whatTheCodeThrowsPassesThroughAnEnteredValue() {
    INT.set(1);
    IOException thrown = new IOException("inside");
    assertThatThrownBy(
            () -> {
              try (var _ = INT.enter(2)) {
                String never = failing(thrown);
                throw new AssertionError(never);
              }
            })
        .isSameAs(thrown)
        .hasNoSuppressedExceptions();
    assertThat(INT.get()).isEqualTo(1);
  }

  @Test
  void anEnteredValueIsClosedByItsOwnThreadAlone() throws Exception {
    INT.set(1);
    TaskLocalScope.Entered entered = INT.enter(2);
    AtomicReference<Throwable> there = new AtomicReference<>();
    Thread other =
        new Thread(
            () -> {
              try {
                entered.close();
              } catch (Throwable e) {
                there.set(e);
              }
            },
            "t-other");
    other.start();
    other.join();
    assertThat(there.get())
        .isInstanceOf(WrongThreadException.class)
        .hasMessageContainingAll("t.int", "\"t-other\"", Thread.currentThread().getName());
    assertThat(INT.get()).isEqualTo(2);
    entered.close();
    assertThat(INT.get()).isEqualTo(1);
    assertThat(entered).hasToString("Entered[t.int, closed]");
  }

  @Test
  void aTextThatDoesNotFitIsCutBetweenTwoCharacters() {
    TENANT.setTruncated("fits as it is"); // 13 bytes
    assertThat(TENANT.getString()).isEqualTo("fits as it is");
    TENANT.setTruncated("sixteen bytes ...");
    assertThat(TENANT.getString()).isEqualTo("sixteen bytes .");
    for (String wide : List.of("\u00e9", "\u20ac", "\ud83d\ude00")) {
      int bytes = wide.getBytes(UTF_8).length;
      for (int before = 0; before <= 16; before++) {
        String text = "x".repeat(before) + wide.repeat(8);
        TENANT.setTruncated(text);
        String cut =
            "x".repeat(Math.min(before, 15)) + wide.repeat(Math.max(0, (15 - before) / bytes));
        assertThat(TENANT.getString()).isEqualTo(cut);
      }
    }
  }

  @Test
  void anyTextIsTakenWhereItMayBeTruncated() {
    TENANT.setTruncated("");
    assertThat(TENANT.getString()).isEmpty();
    TENANT.setTruncated("before\0behind");
    assertThat(TENANT.getString()).isEqualTo("before");
    TENANT.setTruncated("\ud83da\ude00\ud83d\ude00\ud83d");
    assertThat(TENANT.getString()).isEqualTo("\ufffda\ufffd\ud83d\ude00\ufffd");
    try (var _ = TENANT.enterTruncated("\udc00 and many more characters")) {
      assertThat(TENANT.getString()).isEqualTo("\ufffd and many mo");
    }
    TENANT
        .withTruncated("a tenant with a long name")
        .run(() -> assertThat(TENANT.getString()).isEqualTo("a tenant with a"));
    assertThatThrownBy(() -> SPAN.setTruncated("text"))
        .isInstanceOf(UnsupportedOperationException.class)
        .hasMessageContaining("update");
  }

  @Test
  @SuppressWarnings("NullAway")
  void nullIsNoText() {
    TENANT.setString("before");
    for (Consumer<String> form :
        List.<Consumer<String>>of(
            TENANT::setString,
            TENANT::with,
            TENANT::enter,
            TENANT::setTruncated,
            TENANT::withTruncated,
            TENANT::enterTruncated)) {
      assertThatNullPointerException()
          .isThrownBy(() -> form.accept(null))
          .withMessageContaining("text is null");
    }
    assertThat(TENANT.getString()).isEqualTo("before");
  }

  @Test
  void oneScopeServesAllThreadsAtOnce() throws Exception {
    List<Future<?>> all = new ArrayList<>();
    try (ExecutorService pool =
        Executors.newFixedThreadPool(4, TaskLocalThread.factory("t-scope-"))) {
      for (int i = 0; i < 4; i++) {
        int own = 100 + i;
        all.add(
            pool.submit(
                () -> {
                  INT.set(own);
                  for (int k = 0; k < 10_000; k++) {
                    int seven = SEVEN.call(INT::get);
                    assertThat(seven).isEqualTo(7);
                    assertThat(INT.get()).isEqualTo(own);
                  }
                }));
      }
    }
    for (Future<?> each : all) {
      assertThat(each.get()).isNull();
    }
  }

  @Test
  @SuppressWarnings("NullAway")
  void nullIsRefusedBeforeAnythingIsSet() {
    INT.set(1);
    assertThatNullPointerException().isThrownBy(() -> SEVEN.run(null));
    assertThatNullPointerException().isThrownBy(() -> SEVEN.call(null));
    assertThatNullPointerException().isThrownBy(() -> TENANT.with((MemorySegment) null));
    assertThat(INT.get()).isEqualTo(1);
    assertThat(SEVEN).hasToString("TaskLocalScope[t.int]");
  }

  private static final TaskLocalScope SMALL_TEXT = SMALL.with("ab");
  private static int runs;

  /** The first runs are interpreted, and may allocate. */
  @Test
  void aScopeInAConstantAllocatesNothing() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Runnable task = () -> runs += INT.get();
    Await.until(
        "10,000 runs without a byte of garbage",
        () -> {
          long before = threads.getCurrentThreadAllocatedBytes();
          for (int i = 0; i < 10_000; i++) {
            SEVEN.run(task);
            SMALL_TEXT.run(task);
          }
          return threads.getCurrentThreadAllocatedBytes() == before;
        });
    assertThat(runs).isPositive();
  }

  /** The compiler sees that what was entered does not leave the loop. */
  @Test
  void anEnteredValueAllocatesNothingOnceItIsCompiled() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Await.until(
        "100,000 values entered without a byte of garbage",
        () -> {
          long before = threads.getCurrentThreadAllocatedBytes();
          enterOften();
          return threads.getCurrentThreadAllocatedBytes() == before;
        });
    assertThat(runs).isPositive();
  }

  private static void enterOften() {
    for (int i = 0; i < 100_000; i++) {
      try (var _ = INT.enter(i)) {
        runs += INT.get() == i ? 1 : 0;
      }
    }
  }
}
