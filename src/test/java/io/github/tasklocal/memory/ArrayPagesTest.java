// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.memory.FailingKernel.How;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Arrays over several grants; a file is mapped in place of each. */
class ArrayPagesTest {

  private static final int PAGES = 16; // a multiple of any kernel's pages
  private static final int NO_DESCRIPTOR = 1 << 20;

  @TempDir private Path folder;
  private RandomAccessFile file;
  private int fd;

  @BeforeEach
  void open() throws IOException {
    Path path = folder.toRealPath().resolve("array");
    file = new RandomAccessFile(path.toFile(), "rw");
    file.setLength((long) PAGES * DataPage.SIZE);
    fd =
        Descriptors.all().entrySet().stream()
            .filter(each -> each.getValue().equals(path.toString()))
            .findFirst()
            .orElseThrow()
            .getKey();
  }

  @AfterEach
  void close() throws IOException {
    file.close();
  }

  /** A process with arrays of a serving side. */
  private final class Side {
    final FailingKernel kernel = new FailingKernel();
    final SharedData data = new SharedData(SharedData.fresh(DataPage.SIZE));
    final ArrayPages arrays = new ArrayPages(kernel, data, System::nanoTime);

    /** Begins a grant, and {@return where its array is} */
    long grant(long number) {
      long[] array = arrays.prepare(PAGES);
      long address = arrays.map(array, fd, PAGES);
      arrays.abandon();
      arrays.add(array, (int) number, number, 0);
      return address;
    }
  }

  private static long read(long address) {
    return Memory.ALL.get(JAVA_LONG, address);
  }

  private static void write(long address, long value) {
    Memory.ALL.set(JAVA_LONG, address, value);
  }

  @Test
  void anArrayStaysUntilTheLastPageOfItIsGivenBackAndTheNextTakesItsPlace() {
    Side side = new Side();
    long first = side.grant(1);
    long one = side.arrays.take();
    long other = side.arrays.take();
    long second = side.grant(2);
    write(one, 1);
    assertThat(side.arrays.retire(one, 2)).isTrue();
    write(other, 2);
    assertThat(read(other)).isEqualTo(2);
    assertThat(side.arrays.release(other, 2)).isTrue();
    assertThat(read(one)).as("the array's memory is gone").isZero();
    assertThat(read(other)).isZero();
    write(one, 3); // reaches nobody
    assertThat(side.grant(3)).isEqualTo(first);
    assertThat(read(one)).as("the array's").isEqualTo(1);
    assertThat(side.grant(4)).as("of the second nobody had a page").isEqualTo(second);
    assertThat(side.data.arrays).hasSize(2);
  }

  @Test
  void aPageThatIsGivenBackWithinItsGrantServesAnotherThread() {
    Side side = new Side();
    long ignored = side.grant(1);
    long page = side.arrays.take();
    assertThat(side.arrays.release(page, 1)).isTrue();
    assertThat(side.arrays.take()).isEqualTo(page);
    assertThat(side.arrays.release(page + (1L << 30), 1)).as("no array's").isFalse();
  }

  @ParameterizedTest
  @EnumSource
  void whatIsGivenBackIsWhateverFails(How how) {
    Side side = new Side();
    long first = side.grant(1);
    long page = side.arrays.take();
    long second = side.grant(2);
    side.kernel.arm(0, how, 12); // ENOMEM
    assertThat(side.arrays.retire(page, 2)).isTrue();
    assertThat(side.kernel.disarm()).containsExactly("vacate");
    long third = side.grant(3);
    assertThat(third).isNotEqualTo(second);
    assertThat(third == first).as("in its place").isEqualTo(how != How.REFUSED);
    long next = side.arrays.take();
    write(next, 7);
    assertThat(read(next)).isEqualTo(7);
    assertThat(side.data.arrays).hasSize(2);
  }

  @ParameterizedTest
  @EnumSource(names = {"REFUSED", "ERROR"})
  void anArrayThatCannotBeMappedIsNotKnown(How how) {
    Side side = new Side();
    long ignored = side.grant(1);
    side.kernel.arm(0, how, 12); // ENOMEM
    long[] array = side.arrays.prepare(PAGES);
    assertThatThrownBy(() -> side.arrays.map(array, fd, PAGES)).isNotNull();
    assertThat(side.kernel.disarm()).isEqualTo(List.of("mapArray"));
    assertThat(side.data.arrays).hasSize(1);
    ignored = side.grant(2);
    assertThat(side.arrays.take()).isNotZero();
  }

  /** The thread could be between a look at its page's address and the access there. */
  @Test
  void aThreadIsNotMovedByAnotherCopyOfTheLibrary() {
    try (World world = new World()) {
      World.Person person = world.person();
      world.registry.arrivals(page -> {}); // its page belongs to the kernel's task
      person.first();
      world.join();
      Registry second = world.second();
      long[] array = second.served.arrays.prepare(PAGES);
      assertThat(second.served.arrays.map(array, fd, PAGES)).isPositive();
      second.served.connection.beginGrant("socket", PAGES);
      second.served.arrays.add(array, 1, second.served.connection.grant(), 0);
      second.data.numbers[SharedData.SERVED] = NO_DESCRIPTOR;
      ThreadPage borrowed = second.holds().borrow(person.task());
      assertThat(borrowed.start).isEqualTo(person.page.start);
      borrowed.giveBack();
      ThreadPage there = person.worker.call(() -> second.first(Thread.currentThread()));
      assertThat(there.start).as("only the first knows whom to tell").isEqualTo(borrowed.start);
      person.page.takeAway(); // as the keeper does
      person.first();
      assertThat(second.served.arrays.has(person.page.start)).as("moves itself").isTrue();
      second.data.numbers[SharedData.SERVED] = 0;
      assertThat(person.get()).isEqualTo(person.value);
    }
  }
}
