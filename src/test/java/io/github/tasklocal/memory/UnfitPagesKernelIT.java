// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.Children;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Threads whose pages, from before the first map, lie in memory that BPF must not be given. */
@KernelTest
class UnfitPagesKernelIT {

  private static final Path HUGE_PAGES = Path.of("/proc/sys/vm/nr_hugepages");

  private static BpfView view;

  @BeforeAll
  static void load(@TempDir Path folder) {
    view = BpfView.load(BpfView.compile(folder, Wire.C), Wire.C);
  }

  @AfterAll
  static void unload() {
    view.close();
  }

  @Test
  void aThreadLeavesSuchAPageAtItsNextAccessAndTakesItsValuesAlong() {
    try (World world = new World()) {
      world.kernel.early = false;
      World.Person person = world.citizen();
      ThreadPage before = person.page;
      world.open(view);
      assertThat(world.maps.registrations().unregistered(world.map(view)).values())
          .singleElement()
          .extracting(KernelException::getMessage)
          .asString()
          .contains("its page lies in memory that is shared, huge or a file's");
      assertThat(before.address()).as("an address that was taken away").isZero();
      ThreadPage after = person.worker.call(() -> world.registry.first(Thread.currentThread()));
      assertThat(after.address()).isNotEqualTo(before.start).isNotZero();
      assertThat(Memory.ALL.get(JAVA_INT, after.start + world.key.offset()))
          .isEqualTo(person.value);
      assertThat(view.of(person.worker.tid())).isEqualTo(person.value);
      assertThat(world.maps.registrations().unregistered(world.map(view))).isEmpty();
      person.page = after;
    }
  }

  @Test
  void howeverManyThreadsThereAreTheMappingsAreReadOnce() {
    try (World world = new World()) {
      for (int i = 0; i < 100; i++) {
        World.Person ignored = world.citizen();
      }
      world.kernel.arm(Integer.MAX_VALUE, FailingKernel.How.REFUSED, 0);
      world.open(view);
      assertThat(world.kernel.disarm()).containsOnlyOnce("preparePages");
      world.check(List.of(view));
    }
  }

  @Test
  void withHugePagesFromMallocEveryThreadBeginsAtZero(@TempDir Path folder) throws IOException {
    String file = BpfView.compile(folder, Wire.C).toString();
    String before = Files.readString(HUGE_PAGES).strip();
    Files.writeString(HUGE_PAGES, "64");
    try {
      Jvm.Result result =
          Children.childWith("GLIBC_TUNABLES=glibc.malloc.hugetlb=2", "huge-pages", file);
      // Where the kernel finds no room for huge pages, malloc takes small ones.
      boolean anyHuge = !Files.readString(HUGE_PAGES).strip().equals("0");
      assertThat(result.output())
          .contains(
              "left before: " + (anyHuge ? 1 : 0),
              "value 7, left after: 0",
              "threads that began with another's value: 0");
      assertThat(result.exit()).isZero();
    } finally {
      Files.writeString(HUGE_PAGES, before);
    }
  }

  @Test
  void aThreadThatJavaDoesNotKnowIsMovedAtTheNextSet() {
    try (World world = new World()) {
      world.kernel.early = false;
      World.Person person = world.person();
      person.borrowed();
      long before = person.page.start;
      world.open(view);
      assertThat(view.of(person.worker.tid())).isEqualTo(BpfView.NO_ENTRY);
      person.borrowed();
      assertThat(person.page.start).isNotEqualTo(before);
      assertThat(view.of(person.worker.tid())).isEqualTo(person.value);
    }
  }

  @Test
  void aThreadThatHasSuchAPageReservedBeginsWithAnother() {
    try (World world = new World()) {
      world.kernel.early = false;
      ThreadPage reserved = world.registry.reserve();
      World.Person person = world.person();
      world.open(view);
      person.begin(reserved);
      assertThat(person.page.start).isNotEqualTo(reserved.start);
      assertThat(view.of(person.worker.tid())).isEqualTo(person.value);
    }
  }

  @Test
  void pagesOfEndedThreadsAreNotUsedAgainEither() {
    try (World world = new World()) {
      world.kernel.early = false;
      World.Person ended = world.citizen();
      ended.close();
      world.persons().remove(ended);
      world.open(view);
      for (int i = 0; i < 40; i++) {
        World.Person person = world.citizen();
        assertThat(Math.abs(person.page.start - ended.page.start)).isGreaterThan(16 * 4096 - 1);
        assertThat(view.of(person.worker.tid())).isEqualTo(person.value);
      }
    }
  }
}
