// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Parts of pages, and when they are reused. */
class PagesTest {

  @Test
  void partsAreAlignedDisjointAndFillTheirPages() {
    Pages pages = new Pages(256, 0);
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
  void aRetiredPartRestsAndComesBackClean() throws Exception {
    Duration rest = Duration.ofMillis(200);
    Pages pages = new Pages(2048, rest.toNanos());
    while (pages.count() == 0 || pages.haveFree()) {
      assertThat(pages.take().byteSize()).isEqualTo(2048);
    }
    MemorySegment part = MemorySegment.ofArray(new byte[2048]);
    part.set(JAVA_BYTE, 100, (byte) 1);
    long before = System.nanoTime();
    pages.retire(part);
    while (!pages.haveFree()) {
      Thread.sleep(1);
    }
    assertThat(System.nanoTime() - before).isGreaterThanOrEqualTo(rest.toNanos());
    assertThat(pages.take()).isEqualTo(part);
    assertThat(part.get(JAVA_BYTE, 100)).isZero();
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
