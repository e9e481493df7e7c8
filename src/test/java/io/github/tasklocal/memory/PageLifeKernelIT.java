// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Clang;
import io.github.tasklocal.KernelTest;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.Wire;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
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
                return ThreadPages.current().address;
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
              return ThreadPages.current().address;
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
                page.complete(ThreadPages.current().address);
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
    inNewThread(
        () -> {
          NUMBER.set(1);
          return true;
        });
    assertThat(map.threads()).isPositive();
    map.close();
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

  /**
   * Starts threads until one gets the page; each has to find its own zeroed, and BPF too. Each
   * holds its page, or the last one given back would go round and round.
   */
  private static boolean reusedWithin(int rounds, long page) throws Exception {
    List<TaskLocal.OfInt.Bound> held = new ArrayList<>();
    boolean reused = false;
    for (int i = 0; i < rounds && !reused; i++) {
      System.gc();
      Thread.sleep(20); // references are enqueued by a thread of the runtime
      reused = inNewThread(() -> isCleanAnd(page, held));
    }
    assertThat(held).allSatisfy(each -> assertThat(each.get()).isBetween(0, 1));
    return reused;
  }

  private static boolean isCleanAnd(long page, List<TaskLocal.OfInt.Bound> held) {
    ThreadPage current = ThreadPages.current();
    MemorySegment bytes = current.slice(0, DataPage.SIZE);
    assertThat(bytes.get(JAVA_LONG, 0)).isEqualTo(DataPage.START);
    assertThat(bytes.asSlice(8).mismatch(MemorySegment.ofArray(new byte[4088]))).isEqualTo(-1);
    if (object.program("read_and_add").run() == 0) {
      assertThat(object.global("was").get(JAVA_INT, 0)).isZero();
      assertThat(NUMBER.get()).isEqualTo(1);
    }
    held.add(NUMBER.bind());
    return current.address == page;
  }

  private static <T> T inNewThread(Supplier<T> work) throws Exception {
    FutureTask<T> task = new FutureTask<>(work::get);
    Thread thread = new Thread(task, "page-life");
    thread.start();
    try {
      return task.get(30, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new AssertionError(e.getCause());
    } finally {
      thread.join();
    }
  }
}
