// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Garbage;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.ThreadPages;
import java.lang.foreign.MemoryLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadFactory;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Threads that have their page from the start. */
@KernelTest
class TaskLocalThreadKernelIT {

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);
  private static final TaskLocal.OfSegment PAIR =
      TaskLocal.of("own.pair", MemoryLayout.sequenceLayout(2, JAVA_LONG));

  private static BpfView view;

  @BeforeAll
  static void load(@TempDir Path folder) {
    view = BpfView.load(BpfView.compile(folder, Wire.A), Wire.A);
  }

  @AfterAll
  static void close() {
    view.close();
  }

  private static TaskLocalMap map() {
    return TaskLocalMap.of(view.map().fd());
  }

  @Test
  void itIsSeenByBpfBeforeItUsesAnyKey() throws Exception {
    try (TaskLocalMap map = map()) {
      long seen = inNewThread(() -> view.of(Libc.currentTid()));
      assertThat(seen).as("its value").isZero();
      assertThat(map.failures()).isZero();
    }
  }

  @Test
  void aThreadOfTheFactorySharesItsValues() throws Exception {
    try (TaskLocalMap map = map();
        var pool = Executors.newFixedThreadPool(3, TaskLocalThread.factory("pooled-"))) {
      for (int i = 0; i < 12; i++) {
        int value = 70 + i;
        assertThat(
                pool.submit(
                        () -> {
                          VALUE.set(value);
                          assertThat(VALUE.get()).isEqualTo(value);
                          return view.of(Libc.currentTid());
                        })
                    .get())
            .isEqualTo(value);
      }
      assertThat(map.failures()).isZero();
    }
  }

  @Test
  void aMapThatIsOpenedLaterSeesIt() throws Exception {
    try (Worker worker = new Worker("opened later", true)) {
      worker.run(() -> VALUE.set(41));
      try (TaskLocalMap map = map()) {
        assertThat(view.of(worker.tid())).isEqualTo(41);
        assertThat(map.failures()).isZero();
      }
      assertThat(view.of(worker.tid())).isEqualTo(BpfView.NO_ENTRY);
    }
  }

  @Test
  void everyKindOfAccessReachesTheOnePage() throws Exception {
    inNewThread(
        () -> {
          VALUE.set(5);
          TaskLocal.OfInt.Bound bound = VALUE.bind();
          assertThat(bound.get()).isEqualTo(5);
          bound.set(6);
          assertThat(VALUE.getAndAdd(1)).isEqualTo(6);
          PAIR.segment().setAtIndex(JAVA_LONG, 1, 9);
          assertThat(PAIR.bind().segment().getAtIndex(JAVA_LONG, 1)).isEqualTo(9);
          NativeThread self =
              NativeThread.list().stream()
                  .filter(each -> each.tid() == Libc.currentTid())
                  .findFirst()
                  .orElseThrow();
          assertThat(VALUE.get(self)).isEqualTo(7);
          VALUE.set(self, 8);
          assertThat(VALUE.get()).isEqualTo(8);
          assertThat(self.thread()).containsSame(Thread.currentThread());
          return 0;
        });
  }

  @Test
  void pagesOfEndedThreadsServeOthersWithoutTheCollector() throws Exception {
    try (TaskLocalMap map = map()) {
      for (int i = 0; i < 100; i++) {
        int before =
            inNewThread(
                () -> {
                  int found = VALUE.get();
                  VALUE.set(1);
                  return found;
                });
        assertThat(before).as("a new thread's value").isZero();
      }
      int pages = ThreadPages.REGISTRY.pages();
      for (int i = 0; i < 1000; i++) {
        inNewThread(() -> VALUE.getAndSet(1));
      }
      assertThat(ThreadPages.REGISTRY.pages() - pages).as("pages more").isLessThanOrEqualTo(16);
      assertThat(map.failures()).isZero();
    }
  }

  @Test
  void pagesOfThreadsThatAreNeverStartedComeBack() throws Exception {
    List<Worker> alive = Worker.start(40, VALUE, 0);
    int pages = ThreadPages.REGISTRY.pages();
    for (int round = 0; round < 40; round++) {
      for (int i = 0; i < 100; i++) {
        assertThat(new TaskLocalThread(() -> {}).isAlive()).isFalse();
      }
      Garbage.collect();
    }
    assertThat(ThreadPages.REGISTRY.pages() - pages).as("pages for 4000 threads").isLessThan(600);
    alive.forEach(Worker::close);
  }

  @SuppressWarnings("DoNotCall")
  @Test
  void runCalledAsAMethodRegistersNobody() {
    try (TaskLocalMap map = map()) {
      int threads = map.threads();
      TaskLocalThread never = new TaskLocalThread(() -> VALUE.set(3));
      int own = VALUE.get();
      never.run(); // in this thread, whose value it sets
      assertThat(VALUE.get()).isEqualTo(3);
      VALUE.set(own);
      assertThat(map.threads()).isLessThanOrEqualTo(threads + 1);
      assertThat(never.isAlive()).isFalse();
    }
  }

  @Test
  void whatIsBoundFromOutsideWhileItStartsIsItsOwn() throws Exception {
    // Threads are listed before they have registered themselves: another thread binds each that it
    // finds, and what it then sets has to be what the thread reads.
    CountDownLatch done = new CountDownLatch(1);
    Map<Integer, TaskLocal.OfInt.Bound> bound = new ConcurrentHashMap<>();
    Thread binder =
        new Thread(
            () -> {
              while (done.getCount() > 0) {
                for (NativeThread thread : NativeThread.list()) {
                  if (thread.name().startsWith("raced-")) {
                    try {
                      bound.putIfAbsent(thread.tid(), VALUE.bind(thread));
                    } catch (NotFoundException e) {
                      // it has ended
                    }
                  }
                }
              }
            });
    ThreadFactory factory = TaskLocalThread.factory("raced-");
    try (TaskLocalMap map = map()) {
      binder.start();
      for (int i = 0; i < 200; i++) {
        FutureTask<Integer> task =
            new FutureTask<>(
                () -> {
                  int tid = Libc.currentTid();
                  Await.until("a hold from outside", () -> bound.containsKey(tid));
                  bound.get(tid).set(tid);
                  assertThat(view.of(tid)).isEqualTo(tid);
                  return VALUE.get() - tid;
                });
        Thread thread = factory.newThread(task);
        thread.start();
        assertThat(Await.result("the thread", task)).isZero();
        thread.join();
        bound.clear(); // the tid may be another's next
      }
      assertThat(map.failures()).isZero();
    } finally {
      done.countDown();
      binder.join();
    }
  }

  @Test
  void aSubclassIsOneToo() throws Exception {
    class Pooled extends TaskLocalThread {
      Pooled(Runnable task) {
        super(task, "subclass");
      }
    }
    FutureTask<Long> task =
        new FutureTask<>(
            () -> {
              VALUE.set(12);
              return view.of(Libc.currentTid());
            });
    try (TaskLocalMap map = map()) {
      new Pooled(task).start();
      assertThat(task.get()).isEqualTo(12);
      assertThat(map.failures()).isZero();
    }
  }

  @Test
  void theFactoryNamesItsThreads() {
    ThreadFactory factory = TaskLocalThread.factory("request-");
    List<String> names =
        List.of(factory.newThread(() -> {}).getName(), factory.newThread(() -> {}).getName());
    assertThat(names).containsExactly("request-0", "request-1");
    assertThat(factory.newThread(() -> {}).isDaemon()).isFalse();
    assertThatThrownBy(() -> TaskLocalThread.factory(null))
        .isInstanceOf(NullPointerException.class)
        .hasMessageContaining("request-");
  }

  private static <T> T inNewThread(Supplier<T> supplier) throws Exception {
    FutureTask<T> task = new FutureTask<>(supplier::get);
    Thread thread = new TaskLocalThread(task);
    thread.start();
    T result = Await.result("the thread", task);
    thread.join();
    return result;
  }
}
