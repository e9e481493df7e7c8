// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.KeeperRounds;
import io.github.tasklocal.memory.ThreadPages;
import java.lang.foreign.MemoryLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A native thread that leaves the virtual machine and comes back as another {@link Thread}. */
@KernelTest
class ReattachKernelIT {

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);
  private static final TaskLocal.OfSegment PAIR =
      TaskLocal.of("life.pair", MemoryLayout.sequenceLayout(2, JAVA_INT));
  private static final Map<Wire, BpfView> VIEWS = new EnumMap<>(Wire.class);

  @BeforeAll
  static void load(@TempDir Path folder) throws Exception {
    for (Wire wire : Wire.values()) {
      Path each = Files.createDirectory(folder.resolve(wire.name()));
      VIEWS.put(wire, BpfView.load(BpfView.compile(each, wire), wire));
    }
  }

  @AfterAll
  static void close() {
    VIEWS.values().forEach(BpfView::close);
  }

  /** What one of the two attachments sees of itself. */
  private record Seen(Thread thread, int tid, long page) {
    static Seen now() {
      return new Seen(
          Thread.currentThread(), Libc.currentTid(), ThreadPages.of(Thread.currentThread()).start);
    }
  }

  private interface Test {
    void run(BpfView view, TaskLocalMap map);
  }

  private static void withMap(Wire wire, Test test) {
    BpfView view = VIEWS.get(wire);
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      test.run(view, map);
      assertThat(map.failures()).isZero();
      assertThat(map.unregistered()).isEmpty();
    }
  }

  /** Attaches a thread twice. The second time it gets its tid and the first time's thread. */
  private static List<Seen> attachTwice(Runnable first, BiConsumer<Integer, Thread> second) {
    List<Seen> seen = new CopyOnWriteArrayList<>();
    Pthread.attachTwice(
        () -> {
          first.run();
          seen.add(Seen.now());
        },
        () -> {
          second.accept(Libc.currentTid(), seen.getFirst().thread());
          seen.add(Seen.now());
        });
    assertThat(seen).hasSize(2);
    assertThat(seen.get(0).thread()).isNotSameAs(seen.get(1).thread());
    assertThat(seen.get(0).tid()).isEqualTo(seen.get(1).tid());
    return seen;
  }

  @ParameterizedTest
  @EnumSource
  void theNewThreadTakesTheEntryOverAtOnce(Wire wire) {
    withMap(
        wire,
        (view, map) ->
            attachTwice(
                () -> VALUE.set(11),
                (tid, before) -> {
                  assertThat(before.isAlive()).isFalse();
                  assertThat(VALUE.get()).as("a new thread's value").isZero();
                  assertThat(view.of(tid)).isZero();
                  VALUE.set(12);
                  assertThat(view.of(tid)).isEqualTo(12);
                  long rounds = ThreadPages.keeperRounds();
                  do {
                    assertThat(view.of(tid)).isEqualTo(12);
                    assertThat(VALUE.get()).isEqualTo(12);
                  } while (ThreadPages.keeperRounds() < rounds + 2);
                }));
  }

  @ParameterizedTest
  @EnumSource
  void anEntryIsTakenOutIfTheThreadUsesNoKeyAnyMore(Wire wire) {
    withMap(
        wire,
        (view, map) ->
            attachTwice(
                () -> {
                  VALUE.set(21);
                  assertThat(view.of(Libc.currentTid())).isEqualTo(21);
                },
                (tid, before) -> {
                  Await.until(
                      "no entry of a thread that left", () -> view.of(tid) == BpfView.NO_ENTRY);
                  VALUE.set(22);
                  assertThat(view.of(tid)).isEqualTo(22);
                }));
  }

  @ParameterizedTest
  @EnumSource
  void whatIsSetFromOutsideWhileTheThreadHasLeftIsFound(Wire wire) {
    withMap(
        wire,
        (view, map) ->
            attachTwice(
                () -> VALUE.set(31),
                (tid, before) -> {
                  try (Worker outside = new Worker("outside")) {
                    outside.run(
                        () -> {
                          NativeThread left =
                              NativeThread.list().stream()
                                  .filter(each -> each.tid() == tid)
                                  .findFirst()
                                  .orElseThrow();
                          assertThat(VALUE.get(left)).isZero();
                          VALUE.set(left, 32);
                        });
                  }
                  assertThat(view.of(tid)).isEqualTo(32);
                  assertThat(VALUE.get()).isEqualTo(32);
                  VALUE.set(33);
                  assertThat(view.of(tid)).isEqualTo(33);
                }));
  }

  @ParameterizedTest
  @EnumSource
  void whatWasSetFromOutsideBeforeTheThreadCameStaysWhenItLeaves(Wire wire) {
    withMap(
        wire,
        (view, map) -> {
          List<Seen> seen = new CopyOnWriteArrayList<>();
          List<TaskLocal.OfInt.Bound> held = new CopyOnWriteArrayList<>();
          Pthread.Visitor visitor =
              new Pthread.Visitor(
                  () -> {
                    assertThat(VALUE.get()).isEqualTo(61);
                    VALUE.set(62);
                    PAIR.segment().setAtIndex(JAVA_INT, 1, 63);
                    held.add(VALUE.bind());
                    seen.add(Seen.now());
                  },
                  () -> {
                    assertThat(VALUE.get()).isEqualTo(64);
                    assertThat(PAIR.segment().getAtIndex(JAVA_INT, 1)).isEqualTo(63);
                    PAIR.segment().setAtIndex(JAVA_INT, 1, 65);
                    VALUE.set(66);
                    seen.add(Seen.now());
                  });
          int threads = map.threads();
          try (visitor) {
            NativeThread outside = visitor.listed();
            int tid = outside.tid();
            VALUE.set(outside, 61);
            assertThat(view.of(tid)).isEqualTo(61);
            visitor.goOn();
            awaitLeft(seen, 1);
            KeeperRounds.pass();
            assertThat(view.of(tid)).isEqualTo(62);
            assertThat(VALUE.get(outside)).isEqualTo(62);
            assertThat(map.threads()).isEqualTo(threads + 1);
            VALUE.set(outside, 64);
            visitor.goOn();
          }
          awaitLeft(seen, 2);
          assertThat(seen.get(0).thread()).isNotSameAs(seen.get(1).thread());
          assertThat(seen.get(0).page()).isEqualTo(seen.get(1).page());
          assertThat(held.getFirst().get()).isEqualTo(66);
          Await.until("its entry is gone", () -> map.threads() <= threads);
        });
  }

  private static void awaitLeft(List<Seen> seen, int visits) {
    Await.until(
        "visit " + visits, () -> seen.size() == visits && !seen.get(visits - 1).thread().isAlive());
  }

  @ParameterizedTest
  @EnumSource
  void aPageThatIsHeldIsNotTheNewThreads(Wire wire) {
    withMap(
        wire,
        (view, map) -> {
          List<TaskLocal.OfInt.Bound> held = new CopyOnWriteArrayList<>();
          List<Seen> seen =
              attachTwice(
                  () -> {
                    VALUE.set(41);
                    held.add(VALUE.bind());
                  },
                  (tid, before) -> {
                    VALUE.set(42);
                    view.write(tid, 0, 43);
                    assertThat(VALUE.get()).isEqualTo(43);
                  });
          assertThat(seen.get(0).page()).isNotEqualTo(seen.get(1).page());
          assertThat(held.getFirst().get()).isEqualTo(41);
          try (Worker other = new Worker("other")) {
            other.run(() -> VALUE.set(44));
            Long page = other.call(() -> ThreadPages.of(Thread.currentThread()).start);
            assertThat(page).isNotEqualTo(seen.get(0).page());
          }
          assertThat(held.getFirst().get()).isEqualTo(41);
        });
  }

  @ParameterizedTest
  @EnumSource
  void aMapThatIsOpenedBetweenHasTheNewThreadAlone(Wire wire) {
    BpfView view = VIEWS.get(wire);
    attachTwice(
        () -> VALUE.set(51),
        (tid, before) -> {
          try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
            assertThat(view.of(tid)).isEqualTo(BpfView.NO_ENTRY);
            VALUE.set(52);
            assertThat(view.of(tid)).isEqualTo(52);
            assertThat(map.failures()).isZero();
          }
          assertThat(view.of(tid)).isEqualTo(BpfView.NO_ENTRY);
        });
  }
}
