// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class AwaitTest {

  private final AtomicInteger seen = new AtomicInteger();

  @Test
  void aWaitInVainSaysWhatItWaitedForAndWhatItSawLast() {
    Patience none = new Patience(Duration.ZERO);
    assertThatThrownBy(
            () -> Await.until("a third", seen::incrementAndGet, number -> number < 0, none))
        .isInstanceOf(AssertionError.class)
        .hasMessageMatching("waited \\d+ s for a third; seen last: " + seen.get());
  }

  @Test
  void whatIsSeenWhenItIsRightIsReturned() {
    assertThat(Await.until("a third", seen::incrementAndGet, number -> number == 3)).isEqualTo(3);
  }

  @Test
  void aConditionThatHoldsBeforeItsCauseIsAnError() {
    AtomicInteger causes = new AtomicInteger();
    assertThatThrownBy(
            () -> Await.change("none", seen::get, number -> number == 0, causes::incrementAndGet))
        .isInstanceOf(AssertionError.class)
        .hasMessage("waiting for none, which was so before its cause; seen: 0");
    assertThat(causes).hasValue(0);
  }

  @Test
  void aConditionThatHoldsAfterItsCauseIsAChange() {
    assertThat(Await.change("one", seen::get, number -> number == 1, seen::incrementAndGet))
        .isEqualTo(1);
  }

  @Test
  void whatACauseThrowsIsTheCauseOfTheError() {
    IOException thrown = new IOException("gone");
    assertThatThrownBy(
            () ->
                Await.change(
                    "one",
                    () -> seen.get() == 1,
                    () -> {
                      throw thrown;
                    }))
        .isInstanceOf(AssertionError.class)
        .hasCause(thrown);
  }

  @Test
  void whatATaskThrowsIsThrownAsItIs() {
    FutureTask<Integer> task =
        new FutureTask<>(
            () -> {
              throw new IllegalStateException("its own");
            });
    task.run();
    assertThatThrownBy(() -> Await.result("a task", task))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("its own");
  }

  /** Of 30,000 such threads, about 60 were still alive for a moment, on two processors. */
  @Test
  void aThreadThatIsTerminatedHasEnded() {
    for (int i = 0; i < 5_000; i++) {
      Thread thread = Thread.ofPlatform().start(() -> {});
      while (thread.getState() != Thread.State.TERMINATED) {
        Thread.onSpinWait();
      }
      assertThat(Await.ended(thread)).isTrue();
      assertThat(thread.isAlive()).isFalse();
    }
  }
}
