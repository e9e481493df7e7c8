// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Children;
import io.github.tasklocal.Clang;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.EntryExistsException;
import io.github.tasklocal.kernel.Entries;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.LinuxKernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Garbage;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A page after its thread: held while something is bound to it, and clean for the next thread. */
@KernelTest
class PageLifeKernelIT {

  private static final int MARK = 0x5eed;
  private static final TaskLocal.OfInt NUMBER = TaskLocal.of("it_int", JAVA_INT);

  private static BpfObject object;

  @BeforeAll
  static void load(@TempDir Path folder) {
    object = BpfObject.load(Clang.compile(folder, "values"));
  }

  @AfterAll
  static void close() {
    object.close();
  }

  private static TaskLocalMap map() {
    return TaskLocalMap.of(object.map(Wire.A.mapName()).fd());
  }

  @Test
  void theNextThreadOnAPageFindsZerosAndSoDoesBpf() throws Exception {
    try (TaskLocalMap map = map()) {
      long used =
          inNewThread(
              () -> {
                NUMBER.set(MARK);
                assertThat(object.program("read_and_add").run()).isZero();
                assertThat(NUMBER.get()).isEqualTo(MARK + 1);
                return ThreadPages.of(Thread.currentThread()).start;
              });
      assertThat(reusedWithin(64, used)).as("the page is reused").isTrue();
      assertThat(map.failures()).isZero();
    }
  }

  @Test
  void aPageThatTheKernelNeverSawIsReusedCleanToo() throws Exception {
    long used =
        inNewThread(
            () -> {
              NUMBER.set(MARK);
              return ThreadPages.of(Thread.currentThread()).start;
            });
    assertThat(reusedWithin(64, used)).as("the page is reused").isTrue();
  }

  @Test
  void aBoundValueKeepsThePageOfAnEndedThread() throws Exception {
    try (TaskLocalMap map = map()) {
      CompletableFuture<Long> page = new CompletableFuture<>();
      TaskLocal.OfInt.Bound bound =
          inNewThread(
              () -> {
                NUMBER.set(MARK);
                page.complete(ThreadPages.of(Thread.currentThread()).start);
                return NUMBER.bind();
              });
      assertThat(reusedWithin(8, page.get())).as("the held page is reused").isFalse();
      assertThat(bound.get()).isEqualTo(MARK);
      bound.set(MARK + 5);
      assertThat(bound.get()).isEqualTo(MARK + 5);
      assertThat(map.failures()).isZero();
    }
  }

  @Test
  void aSegmentIsDeadOutsideItsThread() throws Exception {
    TaskLocal.OfSegment key = TaskLocal.of("it.pair", MemoryLayout.sequenceLayout(2, JAVA_INT));
    MemorySegment ended = inNewThread(key::segment);
    assertThatThrownBy(() -> ended.get(JAVA_INT, 0))
        .isInstanceOfAny(WrongThreadException.class, IllegalStateException.class);
  }

  @Test
  void anEndedThreadIsNoFailureForClose() throws Exception {
    TaskLocalMap map = map();
    try (map) {
      int before = map.threads();
      int during =
          inNewThread(
              () -> {
                NUMBER.set(1);
                return map.threads();
              });
      assertThat(during).isEqualTo(before + 1);
      assertThat(map.threads()).as("an ended thread is no longer counted").isEqualTo(before);
    }
    assertThat(map.threads()).isZero();
    assertThat(map.failures()).isZero();
    assertThat(map.lastFailure()).isEmpty();
  }

  @Test
  void closeTakesTheEntryOutAndAnotherOpenPutsItBack() throws Exception {
    inNewThread(
        () -> {
          for (int i = 0; i < 3; i++) {
            NUMBER.set(i);
            try (TaskLocalMap map = map()) {
              assertThat(map.threads()).isPositive();
              assertThat(object.program("read_and_add").run()).isZero();
              assertThat(object.global("was").get(JAVA_INT, 0)).isEqualTo(i);
            }
            assertThat(object.program("read_and_add").run()).isNegative();
            assertThat(NUMBER.get()).isEqualTo(i + 1);
          }
          return true;
        });
  }

  @Test
  void closeTakesOutTheEntryOfAThreadThatEndedInJavaAlone(@TempDir Path folder) {
    Jvm.Result result = Children.child("end-main", Clang.compile(folder, "values").toString());
    assertThat(result.output()).contains("entry before close: true", "entry after close: false");
    assertThat(result.exit()).isZero();
  }

  @Test
  void aForeignEntryIsLeftAndReportedOnce() throws Exception {
    withForeignEntry(
        (foreign, tid) -> {
          List<String> logged = new CopyOnWriteArrayList<>();
          Runnable silence = logTo(logged::add);
          try (TaskLocalMap map = map()) {
            assertThat(map.failures()).isEqualTo(1);
            Await.until("the log", () -> !logged.isEmpty());
            assertThat(map.lastFailure()).get().isInstanceOf(EntryExistsException.class);
          } finally {
            silence.run();
          }
          assertThat(logged).hasSize(1);
          assertThat(logged.getFirst()).contains("\"page-life\"", "tid " + tid, "EEXIST");
          assertThat(Entries.has(foreign.fd(), tid)).isTrue();
        });
  }

  @Test
  void aLogHandlerMayUseAKeyAndWaitForThreadsThatDo() throws Exception {
    withForeignEntry(
        (foreign, tid) -> {
          List<Boolean> ended = new CopyOnWriteArrayList<>();
          int threads =
              inNewThread(
                  () -> {
                    Runnable silence =
                        logTo(
                            message -> {
                              NUMBER.set(1);
                              ended.add(usesAKey());
                            });
                    try (TaskLocalMap map = map()) {
                      Await.until("the end of the handler", () -> !ended.isEmpty());
                      return map.threads();
                    } finally {
                      silence.run();
                    }
                  });
          assertThat(ended).containsExactly(true);
          assertThat(threads).isPositive();
        });
  }

  private static boolean usesAKey() {
    Thread thread = new Thread(() -> NUMBER.set(2));
    thread.setDaemon(true);
    thread.start();
    return Await.ended(thread);
  }

  private interface WithForeignEntry {
    void run(KernelMap map, int tid) throws Exception;
  }

  /** Runs a test while a thread that has values has a foreign entry. */
  private static void withForeignEntry(WithForeignEntry test) throws Exception {
    CountDownLatch done = new CountDownLatch(1);
    CompletableFuture<Integer> tid = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              NUMBER.set(MARK);
              tid.complete(Libc.currentTid());
              try {
                done.await();
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
            },
            "page-life");
    thread.start();
    try (KernelMap map = KernelMap.duplicate(object.map(Wire.A.mapName()).fd());
        Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(Wire.A.valueSize(), 8);
      MapValue.write(
          value,
          Wire.A,
          Arena.global().allocate(DataPage.SIZE, DataPage.SIZE).address(),
          Arena.global().allocate(DataPage.SIZE, DataPage.SIZE).address(),
          0);
      assertThat(
              new TaskStorage(new LinuxKernel()).put(map, Task.of(tid.get(), thread), value, false))
          .isTrue();
      test.run(map, tid.get());
    } finally {
      done.countDown();
      thread.join();
    }
  }

  /** Passes on what the library logs, in the thread that logs, until the result is run. */
  private static Runnable logTo(Consumer<String> sink) {
    Logger logger = Logger.getLogger("io.github.tasklocal");
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord message) {
            sink.accept(message.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
    return () -> {
      logger.removeHandler(handler);
      logger.setUseParentHandlers(true);
    };
  }

  /**
   * Starts threads until one gets the page; each has to find its own page zeroed, and so has BPF.
   * Each holds its page, or every thread would get the page that was given back last.
   */
  private static boolean reusedWithin(int rounds, long page) throws Exception {
    List<TaskLocal.OfInt.Bound> held = new ArrayList<>();
    boolean reused = false;
    for (int i = 0; i < rounds && !reused; i++) {
      Garbage.collect();
      ThreadPages.REGISTRY.maps().tend(0); // or the page would wait until no other is free
      reused = inNewThread(() -> isCleanAnd(page, held));
    }
    assertThat(held).allSatisfy(each -> assertThat(each.get()).isBetween(0, 1));
    return reused;
  }

  private static boolean isCleanAnd(long page, List<TaskLocal.OfInt.Bound> held) {
    ThreadPage current = ThreadPages.of(Thread.currentThread());
    MemorySegment bytes = Memory.ALL.asSlice(current.start, DataPage.SIZE);
    assertThat(bytes.get(JAVA_LONG, 0)).isEqualTo(DataPage.START);
    assertThat(bytes.asSlice(12).mismatch(MemorySegment.ofArray(new byte[4084]))).isEqualTo(-1);
    if (object.program("read_and_add").run() == 0) {
      assertThat(object.global("was").get(JAVA_INT, 0)).isZero();
      assertThat(NUMBER.get()).isEqualTo(1);
    }
    held.add(NUMBER.bind());
    return current.start == page;
  }

  private static <T> T inNewThread(Supplier<T> work) throws Exception {
    FutureTask<T> task = new FutureTask<>(work::get);
    Thread thread = new Thread(task, "page-life");
    thread.start();
    try {
      return Await.result("the thread", task);
    } finally {
      thread.join();
    }
  }
}
