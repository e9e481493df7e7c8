// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.FailingKernel.How;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Two registries over the same data, as those of two copies of the library are. */
@KernelTest
class SecondRegistryKernelIT {

  private static BpfView view;

  @BeforeAll
  static void load(@TempDir Path folder) {
    view = BpfView.load(BpfView.compile(folder, Wire.C), Wire.C);
  }

  @AfterAll
  static void unload() {
    view.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {128, DataPage.SIZE})
  void aThreadHasOnePageInBothHoweverItGotIt(int bytes) {
    try (World world = new World(bytes)) {
      world.join();
      world.open(view);
      World.Person reserved = world.person();
      reserved.begin(world.registry.reserve());
      World.Person borrowed = world.person();
      borrowed.borrowed();
      World.Person plain = world.citizen();
      for (World.Person each : new World.Person[] {reserved, borrowed, plain}) {
        long start = each.page.start;
        each.firstInSecond();
        assertThat(each.page.start).isEqualTo(start);
        assertThat(view.of(each.worker.tid())).isEqualTo(each.value);
      }
    }
  }

  @Test
  void aPageOfWhichBpfMustNotBeGivenAnyIsLeftInBoth() {
    try (World world = new World()) {
      world.kernel.early = false;
      world.join();
      World.Person person = world.citizen();
      person.firstInSecond();
      ThreadPage inSecond = person.page;
      OpenMap map = world.openInSecond(view);
      assertThat(inSecond.address()).as("taken away").isZero();
      person.first();
      assertThat(person.page.start).isNotEqualTo(inSecond.start);
      ThreadPage now = person.worker.call(() -> world.second().first(Thread.currentThread()));
      assertThat(now.start).isEqualTo(person.page.start);
      assertThat(view.of(person.worker.tid())).isEqualTo(person.value);
      world.second().maps().close(map);
    }
  }

  @Test
  void aRegistrationThatTheOtherHasMadeGoodIsNoLongerReported() {
    try (World world = new World()) {
      world.join();
      OpenMap map = world.openInSecond(view);
      World.Person person = world.person();
      world.open(view);
      world.kernel.arm(3, How.REFUSED, 12); // ENOMEM
      person.firstInSecond();
      world.kernel.disarm();
      world.maps.tend(100);
      assertThat(view.of(person.worker.tid())).isEqualTo(person.value);
      assertThat(world.second().maps().registrations().unregistered(map)).isEmpty();
      world.second().maps().close(map);
    }
  }
}
