// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.LinuxKernel;
import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** Parts of pages, and when they are reused. */
class PagesTest {

  private final AtomicLong now = new AtomicLong();

  private Pages pages(int bytes, long graceNanos) {
    Kernel kernel = new LinuxKernel();
    SharedData data = new SharedData(SharedData.fresh(bytes));
    Served served = new Served(kernel, data, now::get);
    return new Pages(kernel, new PageArena(kernel, data), served, data, graceNanos, now::get);
  }

  @Test
  void partsAreAlignedDisjointAndFillTheirPages() {
    Pages pages = pages(256, 0);
    Set<Long> addresses = new HashSet<>();
    for (int i = 0; i < 16 * 16; i++) {
      MemorySegment part = pages.take();
      assertThat(part.byteSize()).isEqualTo(256);
      assertThat(part.address() % 256).isZero();
      assertThat(addresses.add(part.address())).isTrue();
    }
    assertThat(pages.count()).isEqualTo(16);
    assertThat(pages.haveFree()).isFalse();
  }

  @Test
  void aRetiredPartRestsBeforeItIsTakenAgain() {
    Pages pages = pages(2048, 1000);
    MemorySegment part = pages.take();
    while (pages.haveFree()) {
      assertThat(pages.take().byteSize()).isEqualTo(2048);
    }
    pages.retire(part.address());
    now.set(999);
    assertThat(pages.haveFree()).isFalse();
    now.set(1000);
    assertThat(pages.haveFree()).isTrue();
    assertThat(pages.take()).isEqualTo(part);
    assertThat(pages.haveFree()).isFalse();
  }

  @Test
  void aSlotIsAPowerOfTwoFromACacheLineToHalfAPage() {
    assertThat(SlotSize.parse("64", 64)).isEqualTo(64);
    assertThat(SlotSize.parse("64", 128)).as("half a cache line").isEqualTo(4096);
    assertThat(SlotSize.parse(" 2048 ", 128)).isEqualTo(2048);
    assertThat(SlotSize.parse("4096", 64)).isEqualTo(4096);
    assertThat(SlotSize.parse("192", 64)).isEqualTo(4096);
    assertThat(SlotSize.parse("-128", 64)).isEqualTo(4096);
    assertThat(SlotSize.parse("", 64)).isEqualTo(4096);
  }
}
