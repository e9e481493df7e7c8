// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.error.VirtualThreadException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

/** Values on virtual threads, which need no consent to be plain memory of each thread. */
class VirtualThreadTest {

  private static final TaskLocal.OfInt INT = TaskLocal.of("virtual.int", JAVA_INT);
  private static final TaskLocal.OfLong LONG = TaskLocal.of("virtual.long", JAVA_LONG);
  private static final TaskLocal.OfSegment TEXT =
      TaskLocal.of("virtual.text", MemoryLayout.sequenceLayout(40, JAVA_BYTE));
  private static final TaskLocal.OfSegment PAIR =
      TaskLocal.of(
          "virtual.pair",
          MemoryLayout.structLayout(
              JAVA_INT.withName("sequence"),
              JAVA_INT.withName("low"),
              JAVA_LONG.withName("high"),
              JAVA_INT.withName("last")));
  private static final VarHandle HIGH = PAIR.varHandle(groupElement("high"));
  private static final VarHandle LOW = PAIR.varHandle(groupElement("low"));

  private static final AtomicInteger KEYS = new AtomicInteger();

  /** Gives the carrier to others, and may come back on another one. */
  @SuppressWarnings("ThreadPriorityCheck") // what it is for
  private static void block() {
    LockSupport.parkNanos(1);
    Thread.yield();
  }

  private static <T> T onVirtual(Callable<T> task) throws Exception {
    try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
      return executor.submit(task).get();
    }
  }

  @Test
  void valuesStartAtZeroAndStayWithTheirThreadWhereverItGoesOn() throws Exception {
    int threads = 500;
    try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 1; i <= threads; i++) {
        int id = i;
        all.add(executor.submit(() -> useAll(id)));
      }
      for (Future<?> each : all) {
        assertThat(each.get()).isNull();
      }
    }
  }

  private static void useAll(int id) {
    assertThat(INT.get()).isZero();
    assertThat(LONG.get()).isZero();
    assertThat(TEXT.getString()).isEmpty();
    for (int round = 0; round < 20; round++) {
      int value = id * 1000 + round;
      INT.set(value);
      LONG.set(-value);
      TEXT.setString("thread " + id + ", round " + round);
      HIGH.setOpaque((long) value);
      block();
      assertThat(INT.getAndAdd(1)).isEqualTo(value);
      assertThat(LONG.get()).isEqualTo(-value);
      assertThat(TEXT.getString()).isEqualTo("thread " + id + ", round " + round);
      assertThat((long) HIGH.getOpaque()).isEqualTo(value);
    }
  }

  @Test
  void aScopePutsTheOldValueBackWhereTheThreadGoesOn() throws Exception {
    String seen =
        onVirtual(
            () -> {
              INT.set(3);
              TEXT.setString("outside");
              StringBuilder all = new StringBuilder();
              INT.with(7)
                  .run(
                      () ->
                          TEXT.with("inside")
                              .run(
                                  () -> {
                                    block();
                                    all.append(INT.get()).append(TEXT.getString());
                                    block();
                                  }));
              return all.append(INT.get()).append(TEXT.getString()).toString();
            });
    assertThat(seen).isEqualTo("7inside3outside");
  }

  @Test
  void aKeyThatIsFirstUsedInsideAScopeIsNotLostAtItsEnd() throws Exception {
    // Each takes the memory of the thread to another size.
    List<TaskLocal.OfSegment> late = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      late.add(
          TaskLocal.of(
              "virtual.late" + KEYS.incrementAndGet(),
              MemoryLayout.sequenceLayout(128, JAVA_BYTE)));
    }
    String seen =
        onVirtual(
            () -> {
              INT.set(3);
              INT.with(7).run(() -> late.forEach(each -> each.setString("late " + each.name())));
              StringBuilder all = new StringBuilder().append(INT.get());
              late.forEach(each -> all.append(each.getString().startsWith("late virtual.late")));
              return all.toString();
            });
    assertThat(seen).isEqualTo("3truetruetruetrue");
  }

  @Test
  void anUpdateReachesTheValueWhereTheThreadGoesOn() throws Exception {
    String seen =
        onVirtual(
            () -> {
              PAIR.update(
                  pair -> {
                    pair.set(JAVA_LONG, 8, 5);
                    block();
                    pair.set(JAVA_INT, 16, 6);
                    pair.set(JAVA_INT, 4, 7);
                    assertThatThrownBy(() -> PAIR.update(again -> {}))
                        .isInstanceOf(IllegalStateException.class);
                  });
              assertThatThrownBy(
                      () ->
                          PAIR.update(
                              pair -> {
                                pair.set(JAVA_INT, 16, 8);
                                throw new IllegalArgumentException("the writer's");
                              }))
                  .hasMessage("the writer's");
              int sequence = (int) PAIR.varHandle(groupElement("sequence")).getOpaque();
              int last = (int) PAIR.varHandle(groupElement("last")).getOpaque();
              return sequence + " " + HIGH.getOpaque() + " " + last + " " + LOW.getOpaque();
            });
    assertThat(seen).isEqualTo("4 5 8 7");
  }

  @Test
  void aScopeOfAStructWithASequenceLeavesItEven() throws Exception {
    MemorySegment value = MemorySegment.ofArray(new int[] {99, 1, 2, 0, 3});
    String seen =
        onVirtual(
            () -> {
              StringBuilder all = new StringBuilder();
              PAIR.with(value)
                  .run(
                      () -> {
                        block();
                        all.append(PAIR.varHandle(groupElement("sequence")).getOpaque());
                        all.append(' ').append(HIGH.getOpaque());
                      });
              all.append(' ').append(PAIR.varHandle(groupElement("sequence")).getOpaque());
              return all.append(' ').append(HIGH.getOpaque()).toString();
            });
    assertThat(seen).isEqualTo("2 2 4 0");
  }

  @Test
  void whatWouldHoldAValueInItsPlaceIsRefusedWithTheAlternative() throws Exception {
    onVirtual(
        () -> {
          for (Runnable each : List.<Runnable>of(INT::bind, TEXT::bind, TEXT::segment)) {
            assertThatThrownBy(each::run)
                .isInstanceOf(VirtualThreadException.class)
                .hasMessageContaining("update")
                .hasMessageContaining("varHandle");
          }
          INT.set(4); // goes on
          return INT.get();
        });
  }
}
