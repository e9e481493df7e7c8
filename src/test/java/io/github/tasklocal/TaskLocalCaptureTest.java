// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TaskLocalCaptureTest {

  private static final StructLayout SPAN_LAYOUT =
      MemoryLayout.structLayout(JAVA_INT.withName("sequence"), JAVA_INT, JAVA_LONG, JAVA_LONG);

  private static final TaskLocal.OfInt INT = TaskLocal.of("capture.int", JAVA_INT);
  private static final TaskLocal.OfDouble DOUBLE = TaskLocal.of("capture.double", JAVA_DOUBLE);
  private static final TaskLocal.OfBoolean BOOLEAN = TaskLocal.of("capture.boolean", JAVA_BOOLEAN);
  private static final TaskLocal.OfSegment TEXT =
      TaskLocal.of("capture.text", MemoryLayout.sequenceLayout(21, JAVA_BYTE));
  private static final TaskLocal.OfSegment SPAN = TaskLocal.of("capture.span", SPAN_LAYOUT);

  /** All values of the calling thread. */
  private record Values(int i, double d, boolean b, String text, long span) {

    static final Values NONE = new Values(0, 0, false, "", 0);

    static Values read() {
      AtomicReference<Long> span = new AtomicReference<>();
      SPAN.update(value -> span.set(value.get(JAVA_LONG, 16) + value.get(JAVA_INT, 4)));
      return new Values(INT.get(), DOUBLE.get(), BOOLEAN.get(), TEXT.getString(), span.get());
    }

    static Values set(int seed) {
      INT.set(seed);
      DOUBLE.set(seed + 0.5);
      BOOLEAN.set(seed % 2 == 1);
      TEXT.setString("a text of number " + seed);
      SPAN.update(
          value -> {
            value.set(JAVA_INT, 4, seed);
            value.set(JAVA_LONG, 16, seed * 1000L);
          });
      return read();
    }
  }

  /** What runs a test's code. */
  enum Kind {
    PLATFORM,
    TASK_LOCAL_THREAD,
    VIRTUAL;

    private Thread start(Runnable code) {
      Thread thread =
          switch (this) {
            case PLATFORM -> new Thread(code);
            case TASK_LOCAL_THREAD -> new TaskLocalThread(code);
            case VIRTUAL -> Thread.ofVirtual().unstarted(code);
          };
      thread.start();
      return thread;
    }

    <T> T call(Callable<T> code) throws Exception {
      CompletableFuture<T> result = new CompletableFuture<>();
      Thread thread =
          start(
              () -> {
                try {
                  result.complete(code.call());
                } catch (Throwable e) {
                  result.completeExceptionally(e);
                }
              });
      thread.join();
      try {
        return result.get();
      } catch (ExecutionException e) {
        throw new AssertionError("in " + thread, e.getCause());
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void allValuesAreCarriedToAnotherThreadOfAnyKindAndItsOwnAreBackAfterwards(Kind from)
      throws Exception {
    Values[] set = new Values[1];
    TaskLocalScope captured =
        from.call(
            () -> {
              set[0] = Values.set(7);
              TaskLocalScope scope = TaskLocal.capture();
              Values.set(8); // comes too late
              return scope;
            });
    assertThat(set[0]).isEqualTo(new Values(7, 7.5, true, "a text of number 7", 7007));
    for (Kind to : Kind.values()) {
      List<Values> seen =
          to.call(
              () -> {
                List<Values> all = new ArrayList<>();
                all.add(captured.call(Values::read)); // before any use of a key
                all.add(Values.read());
                Values own = Values.set(3);
                captured.run(() -> all.add(Values.read()));
                all.add(Values.read());
                try (TaskLocalScope.Entered _ = captured.enter()) {
                  all.add(Values.read());
                  INT.set(99);
                }
                all.add(Values.read());
                assertThat(own.text()).endsWith("3");
                return all;
              });
      Values own = new Values(3, 3.5, true, "a text of number 3", 3003);
      assertThat(seen)
          .as("from %s to %s", from, to)
          .containsExactly(set[0], Values.NONE, set[0], own, set[0], own);
    }
  }

  @ParameterizedTest
  @EnumSource
  void zeroesAreCarriedToo(Kind from) throws Exception {
    TaskLocalScope nothing = from.call(TaskLocal::capture);
    for (Kind to : Kind.values()) {
      to.call(
          () -> {
            assertThat(nothing.call(Values::read)).isEqualTo(Values.NONE);
            Values own = Values.set(5);
            nothing.run(
                () -> {
                  assertThat(Values.read()).isEqualTo(Values.NONE);
                  Values.set(6);
                });
            assertThat(Values.read()).isEqualTo(own);
            return null;
          });
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatATaskSetsIsZeroAfterwardsWhereItWasBefore(Kind kind) throws Exception {
    kind.call(
        () -> {
          TaskLocal.capture().run(() -> Values.set(4));
          assertThat(Values.read()).isEqualTo(Values.NONE);
          return null;
        });
  }

  @ParameterizedTest
  @EnumSource
  void someKeysAreCarriedAndOthersLeftAlone(Kind kind) throws Exception {
    kind.call(
        () -> {
          Values.set(1);
          TaskLocalScope some = TaskLocal.capture(INT, TEXT);
          TaskLocalScope none = TaskLocal.capture(new TaskLocal[0]);
          Values.set(2);
          Values expected = new Values(1, 2.5, false, "a text of number 1", 2002);
          assertThat(some.call(Values::read)).isEqualTo(expected);
          assertThat(none.call(Values::read).i()).isEqualTo(2);
          assertThat(some).hasToString("TaskLocalScope[capture.int, capture.text]");
          return null;
        });
  }

  @ParameterizedTest
  @EnumSource
  void capturesNestWithEachOtherAndWithOtherScopes(Kind kind) throws Exception {
    kind.call(
        () -> {
          Values outer = Values.set(1);
          TaskLocalScope one = TaskLocal.capture();
          Values inner = Values.set(2);
          TaskLocalScope two = TaskLocal.capture();
          Values own = Values.set(3);
          one.run(
              () -> {
                assertThat(Values.read()).isEqualTo(outer);
                INT.with(9)
                    .run(
                        () -> {
                          two.run(() -> assertThat(Values.read()).isEqualTo(inner));
                          assertThat(INT.get()).isEqualTo(9);
                        });
                assertThat(Values.read()).isEqualTo(outer);
              });
          assertThat(Values.read()).isEqualTo(own);
          return null;
        });
  }

  @Test
  void ownValuesAreBackAfterATaskThatThrows() {
    Values own = Values.set(3);
    TaskLocalScope none = INT.with(1).call(() -> TaskLocal.capture(INT));
    assertThatThrownBy(
            () ->
                none.call(
                    () -> {
                      Values.set(4);
                      throw new IOException("thrown with " + INT.get());
                    }))
        .isInstanceOf(IOException.class)
        .hasMessage("thrown with 4");
    assertThat(INT.get()).isEqualTo(3);
    Values.set(3);
    assertThatThrownBy(
            () ->
                none.run(
                    () -> {
                      throw new StackOverflowError();
                    }))
        .isInstanceOf(StackOverflowError.class);
    assertThat(Values.read()).isEqualTo(own);
  }

  /** Nothing has changed then, not even the keys before the one that is being written. */
  @ParameterizedTest
  @EnumSource
  void aCaptureIsNotEnteredInsideOfAWriterOfOneOfItsValues(Kind kind) throws Exception {
    kind.call(
        () -> {
          Values.set(1);
          TaskLocalScope one = TaskLocal.capture();
          TaskLocalScope zeroes = TaskLocal.capture(INT, SPAN);
          Values own = Values.set(2);
          for (TaskLocalScope each : List.of(one, zeroes)) {
            SPAN.update(
                _ ->
                    assertThatThrownBy(() -> each.run(() -> {}))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("is being written"));
          }
          assertThat(Values.read()).isEqualTo(own);
          return null;
        });
  }

  @Test
  void wrappedTasksRunWithTheValuesWhereverTheyAreRun() throws Exception {
    Values own = Values.set(11);
    TaskLocalScope captured = TaskLocal.capture();
    List<Values> seen = new ArrayList<>();
    Runnable task =
        captured.wrap(
            () -> {
              seen.add(Values.read());
            });
    Callable<Values> call = captured.wrap(Values::read);
    for (Kind kind : Kind.values()) {
      assertThat(kind.call(call)).isEqualTo(own);
      kind.call(
          () -> {
            task.run();
            assertThat(Values.read()).isEqualTo(Values.NONE);
            return null;
          });
    }
    assertThat(seen).containsOnly(own).hasSize(3);
  }

  @Test
  void tasksOfACapturingExecutorHaveTheirSubmittersValuesInEveryWayOfSubmitting() throws Exception {
    try (ExecutorService one = Executors.newSingleThreadExecutor();
        ExecutorService pool = TaskLocal.capturing(one)) {
      Values poolsOwn = one.submit(() -> Values.set(50)).get();
      Callable<Values> read = Values::read;
      for (int i = 1; i < 4; i++) {
        Values own = Values.set(i);
        AtomicReference<Values> seen = new AtomicReference<>();
        assertThat(pool.submit(read).get()).isEqualTo(own);
        assertThat(pool.submit(() -> seen.set(Values.read())).get()).isNull();
        assertThat(seen.getAndSet(null)).isEqualTo(own);
        assertThat(pool.submit(() -> seen.set(Values.read()), 5).get()).isEqualTo(5);
        assertThat(seen.getAndSet(null)).isEqualTo(own);
        CompletableFuture<Void> done = new CompletableFuture<>();
        pool.execute(
            () -> {
              seen.set(Values.read());
              done.complete(null);
            });
        done.get();
        assertThat(seen.get()).isEqualTo(own);
        assertThat(pool.invokeAny(List.of(read))).isEqualTo(own);
        assertThat(pool.invokeAny(List.of(read), 1, TimeUnit.DAYS)).isEqualTo(own);
        for (Future<Values> each : pool.invokeAll(List.of(read, read))) {
          assertThat(each.get()).isEqualTo(own);
        }
        for (Future<Values> each : pool.invokeAll(List.of(read), 1, TimeUnit.DAYS)) {
          assertThat(each.get()).isEqualTo(own);
        }
        assertThat(
                CompletableFuture.supplyAsync(Values::read, pool)
                    .thenApplyAsync(first -> List.of(first, Values.read()), one)
                    .get())
            .containsExactly(own, poolsOwn);
        assertThat(one.submit(read).get()).isEqualTo(poolsOwn);
      }
      ExecutorService some = TaskLocal.capturing(one, INT);
      Values.set(9);
      assertThat(some.submit(read).get())
          .isEqualTo(new Values(9, 50.5, false, "a text of number 50", 50050));
      ExecutorService fixed = INT.with(77).wrap(one);
      assertThat(fixed.submit(() -> INT.get()).get()).isEqualTo(77);
      pool.shutdown();
      assertThat(one.isShutdown()).isTrue();
      assertThat(pool.isShutdown()).isTrue();
      assertThat(pool.awaitTermination(1, TimeUnit.DAYS)).isTrue();
      assertThat(pool.isTerminated()).isTrue();
    }
  }

  @Test
  void anExecutorThatDoesNotEndIsNotWaitedFor() {
    try (ExecutorService common = TaskLocal.capturing(ForkJoinPool.commonPool())) {
      assertThat(common.isShutdown()).isFalse();
    }
  }

  @Test
  void virtualThreadsOfAnExecutorHaveTheirSubmittersValues() throws Exception {
    try (ExecutorService pool = TaskLocal.capturing(Executors.newVirtualThreadPerTaskExecutor())) {
      List<Future<Values>> all = new ArrayList<>();
      List<Values> expected = new ArrayList<>();
      for (int i = 1; i < 200; i++) {
        expected.add(Values.set(i));
        all.add(
            pool.submit(
                () -> {
                  Values before = Values.read();
                  Thread.sleep(1); // may go on with another carrier
                  assertThat(Values.read()).isEqualTo(before);
                  return before;
                }));
      }
      for (int i = 0; i < all.size(); i++) {
        assertThat(all.get(i).get()).isEqualTo(expected.get(i));
      }
    }
  }

  /** A preview feature, which the test's own source cannot use. */
  @Test
  void subtasksOfAStructuredTaskScopeHaveTheValuesOfTheirFork(@TempDir Path folder)
      throws Exception {
    assumeTrue(
        Runtime.version().feature() == 25, "the preview of this JDK may be another than JDK 25's");
    Path source = folder.resolve("Forks.java");
    Files.writeString(
        source,
        """
        import io.github.tasklocal.TaskLocal;
        import java.lang.foreign.ValueLayout;
        import java.util.concurrent.StructuredTaskScope;

        void main() throws Exception {
          TaskLocal.OfInt value = TaskLocal.of("forked", ValueLayout.JAVA_INT);
          value.set(7);
          try (var scope = StructuredTaskScope.open()) {
            var with = scope.fork(TaskLocal.capture().wrap(() -> value.get()));
            var without = scope.fork(() -> value.get());
            scope.join();
            System.out.println("seen " + with.get() + ", " + without.get());
          }
        }
        """);
    List<String> command =
        List.of(
            Jvm.java(),
            "--enable-preview",
            "--source=" + Runtime.version().feature(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            Jvm.join(Jvm.classPath()),
            source.toString());
    assertThat(Jvm.output(command)).contains("seen 7, 0");
  }

  @Test
  void keysThatAreMadeAfterACaptureAreLeftAlone() {
    TaskLocalScope before = TaskLocal.capture();
    TaskLocal.OfInt late = TaskLocal.of("capture.late", JAVA_INT);
    late.set(5);
    assertThat((int) before.call(late::get)).isEqualTo(5);
    TaskLocalScope with = TaskLocal.capture();
    late.set(6);
    assertThat((int) with.call(late::get)).isEqualTo(5);
  }

  @Test
  void anEnteredCaptureIsClosedByItsThreadOnceOnly() throws Exception {
    Values.set(1);
    TaskLocalScope captured = TaskLocal.capture();
    Values own = Values.set(2);
    TaskLocalScope.Entered entered = captured.enter();
    assertThat(entered).hasToString("Entered[several keys]");
    Kind.PLATFORM.call(
        () -> {
          assertThatThrownBy(entered::close)
              .isInstanceOf(WrongThreadException.class)
              .hasMessageContaining("a value of several keys was entered by the thread");
          return null;
        });
    assertThat(INT.get()).isEqualTo(1);
    entered.close();
    assertThat(Values.read()).isEqualTo(own);
    Values later = Values.set(4);
    entered.close();
    assertThat(Values.read()).isEqualTo(later);
  }

  @Test
  void nullsAreRefused() {
    assertThatNullPointerException().isThrownBy(() -> TaskLocal.capture((TaskLocal) null));
    assertThatNullPointerException()
        .isThrownBy(() -> TaskLocal.capture().wrap((Runnable) null))
        .withMessageContaining("the code is null");
    assertThatNullPointerException()
        .isThrownBy(() -> TaskLocal.capturing(null))
        .withMessageContaining("executor is null");
  }

  /** As the documentation says it: what was captured, and as much again for each run. */
  @Test
  void aCaptureAllocatesItsValuesAndEachRunTheValuesToPutBack() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Values.set(1);
    Runnable nothing = () -> {};
    TaskLocalScope[] kept = new TaskLocalScope[1];
    for (int i = 0; i < 20_000; i++) { // until it is compiled
      kept[0] = TaskLocal.capture(INT, TEXT);
      kept[0].run(nothing);
    }
    long before = threads.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < 1000; i++) {
      kept[0].run(nothing);
    }
    long run = (threads.getCurrentThreadAllocatedBytes() - before) / 1000;
    // 16 bytes of header, a word for the int and three for the text of 21 bytes.
    assertThat(run).isBetween(1L, 16L + 4 * 8 + 8);
  }
}
