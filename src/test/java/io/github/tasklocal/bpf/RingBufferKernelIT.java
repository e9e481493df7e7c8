// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Clang;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@KernelTest
class RingBufferKernelIT {

  private static Path file;

  private BpfObject object;
  private RingBuffer ring;

  @BeforeAll
  static void compile(@TempDir Path folder) {
    file = Clang.compile(folder, "ring");
  }

  @BeforeEach
  void load() {
    object = BpfObject.load(file);
    ring = object.map("ring").ringBuffer();
  }

  @AfterEach
  void close() {
    object.close();
  }

  private List<Integer> numbers() {
    List<Integer> numbers = new ArrayList<>();
    int count = ring.consume(record -> numbers.add(record.get(JAVA_INT, 0)));
    assertThat(count).isEqualTo(numbers.size());
    return numbers;
  }

  @Test
  void recordsComeInTheirOrderWithTheirSizesRoundAfterRound() {
    int expected = 0;
    for (int round = 0; round < 100; round++) {
      int put = object.program("put_all").run();
      assertThat(put).isGreaterThan(50); // the buffer was full, and is free again
      int[] next = {expected};
      int count = ring.consume(record -> checkNext(record, next));
      assertThat(count).isEqualTo(put);
      expected += put;
    }
    assertThat(numbers()).isEmpty();
    assertThat(expected).isEqualTo(object.global("number").get(JAVA_INT, 0));
  }

  /** Some records are not finished yet when the consumer comes to them. */
  @Test
  void recordsThatAreMadeAtTheSameTimeAreAllSeenOnceAndWhole() throws Exception {
    int least = 100_000;
    CompletableFuture<Integer> produced =
        CompletableFuture.supplyAsync(
            () -> {
              int sum = 0;
              while (sum < least) {
                sum += object.program("put_all").run();
              }
              return sum;
            });
    int[] next = {0};
    while (!produced.isDone() || ring.consume(record -> checkNext(record, next)) > 0) {
      int ignored = ring.consume(record -> checkNext(record, next));
    }
    assertThat(next[0]).isEqualTo(produced.get()).isGreaterThanOrEqualTo(least);
  }

  private static void checkNext(MemorySegment record, int[] next) {
    assertThat(record.get(JAVA_INT, 0)).isEqualTo(next[0]);
    assertThat(record.byteSize()).isEqualTo(4 + next[0] % 32);
    next[0]++;
  }

  @Test
  void recordsThatAProgramThrewAwayAreNotHandedOut() {
    assertThat(object.program("put_one").run()).isZero();
    assertThat(object.program("discard_one").run()).isZero();
    assertThat(object.program("put_one").run()).isZero();
    assertThat(numbers()).containsExactly(0, 2);
  }

  @Test
  void theConsumersExceptionCostsOneRecord() {
    for (int i = 0; i < 3; i++) {
      assertThat(object.program("put_one").run()).isZero();
    }
    assertThatThrownBy(
            () ->
                ring.consume(
                    record -> {
                      throw new IllegalArgumentException("no");
                    }))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(numbers()).containsExactly(1, 2);
  }

  @Test
  void aRecordIsReadOnlyAndDeadAfterItsTurn() {
    assertThat(object.program("put_one").run()).isZero();
    assertThat(object.program("put_one").run()).isZero();
    List<MemorySegment> kept = new ArrayList<>();
    assertThat(
            ring.consume(
                record -> {
                  assertThat(record.isReadOnly()).isTrue();
                  kept.forEach(before -> assertDead(before));
                  kept.add(record);
                }))
        .isEqualTo(2);
    kept.forEach(RingBufferKernelIT::assertDead);
  }

  private static void assertDead(MemorySegment record) {
    assertThatIllegalStateException().isThrownBy(() -> record.get(JAVA_INT, 0));
  }

  @Test
  void aConsumerThatWouldWaitForItselfIsRefused() {
    assertThat(object.program("put_one").run()).isZero();
    int count =
        ring.consume(
            record -> {
              assertThatIllegalStateException()
                  .isThrownBy(() -> ring.consume(again -> {}))
                  .withMessageContaining("must not call consume");
              assertThatIllegalStateException()
                  .isThrownBy(object::close)
                  .withMessageContaining("when consume has returned");
              assertThat(object.map("ring").ringBuffer()).isSameAs(ring);
            });
    assertThat(count).isEqualTo(1);
  }

  @Test
  void closeWaitsForTheConsumerAndThenThereIsNothing() throws Exception {
    assertThat(object.program("put_one").run()).isZero();
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    CompletableFuture<Integer> consumed =
        CompletableFuture.supplyAsync(
            () ->
                ring.consume(
                    record -> {
                      inside.countDown();
                      await(goOn);
                      assertThat(record.get(JAVA_INT, 0)).isZero();
                    }));
    await(inside);
    Thread closing = Thread.ofPlatform().daemon().start(object::close);
    Thread.State waits =
        Await.until("close waits", closing::getState, state -> state == Thread.State.WAITING);
    assertThat(waits).isEqualTo(Thread.State.WAITING);
    goOn.countDown();
    assertThat(Await.result("consume", consumed)).isEqualTo(1);
    assertThat(Await.ended(closing)).isTrue();
    assertThatIllegalStateException().isThrownBy(this::numbers).withMessageContaining("closed");
  }

  private static void await(CountDownLatch latch) {
    Await.until("the other thread is there", () -> latch.getCount() == 0);
  }

  @Test
  void aMapThatIsNoRingBufferIsRefused() {
    assertThatThrownBy(() -> object.map("array").ringBuffer())
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("array", "no ring buffer", "type is 2", "BPF_MAP_TYPE_RINGBUF");
    try (BpfObject open = BpfObject.open(file)) {
      BpfMap notLoaded = open.map("ring");
      assertThatIllegalStateException().isThrownBy(notLoaded::ringBuffer);
    }
  }
}
