// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;

/** Each thread says where its page begins, to who has asked for that. */
class ArrivalsTest {

  /** Where each thread's page begins, as it said itself, by the thread's id. */
  private final Map<Long, Long> said = new ConcurrentHashMap<>();

  private void says(World.Person person) {
    assertThat(said.remove(person.worker.thread().threadId())).isEqualTo(person.page.start);
    assertThat(person.page.address()).isEqualTo(person.page.start);
    assertThat(person.get()).isEqualTo(person.value);
  }

  @Test
  void aThreadSaysWhereItsPageIsAtItsNextUseAndNewOnesAtTheirFirst() {
    try (World world = new World()) {
      World.Person early = world.citizen();
      World.Person reserved = world.person();
      reserved.begin(world.registry.reserve());
      ThreadPage unborn = world.registry.reserve();
      ThreadPage before = early.page;
      world.registry.arrivals(
          page -> {
            Long ignored = said.put(Thread.currentThread().threadId(), page);
          });
      assertThat(said).isEmpty();
      assertThat(early.page.address()).as("asks for its page").isZero();
      assertThat(reserved.page.address()).as("asks for its page").isZero();
      early.first();
      assertThat(early.page).isSameAs(before);
      says(early);
      reserved.begin(reserved.page);
      says(reserved);
      says(world.citizen());
      World.Person late = world.person();
      late.begin(unborn);
      if (late.page.address() == 0) {
        late.begin(late.page); // as at its first use of a key
      }
      says(late);
      assertThat(said).isEmpty();
    }
  }

  @Test
  void aThreadOfAnotherCopySaysSoAtItsFirstUseInThisOne() {
    try (World world = new World()) {
      world.join();
      World.Person person = world.person();
      person.firstInSecond();
      world.registry.arrivals(
          page -> {
            Long ignored = said.put(Thread.currentThread().threadId(), page);
          });
      person.firstInSecond();
      assertThat(said).as("what it uses of the other copy").isEmpty();
      person.first();
      says(person);
    }
  }
}
