// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which memory of the process's BPF may be given, by the kernel's list of mappings. */
class MappingsTest {

  private static final long PAGE = KernelPage.BYTES;

  @Test
  void eachBlockIsJudgedByItselfInWhateverOrderTheyAre(@TempDir Path folder) throws IOException {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    Path file = Files.write(folder.resolve("file"), new byte[(int) (4 * PAGE)]);
    try (Arena arena = Arena.ofShared();
        FileChannel open =
            FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      List<long[]> right = new ArrayList<>();
      List<long[]> wrong = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        right.add(new long[] {Libc.mapPages(8 * PAGE), 8 * PAGE});
        MemorySegment shared = open.map(MapMode.READ_WRITE, 0, 4 * PAGE, arena);
        MemorySegment own = open.map(MapMode.PRIVATE, 0, 4 * PAGE, arena);
        wrong.add(new long[] {shared.address(), 4 * PAGE});
        wrong.add(new long[] {own.address() + PAGE, PAGE});
      }
      wrong.add(new long[] {0, PAGE}); // nothing is there, nor at the other end
      wrong.add(new long[] {Long.MAX_VALUE - 2 * PAGE, PAGE});
      List<long[]> all = new ArrayList<>(right);
      all.addAll(wrong);
      Collections.shuffle(all, random);
      assertThat(Mappings.notPrivate(all)).containsExactlyInAnyOrderElementsOf(wrong);
      assertThat(Mappings.notPrivate(right)).isEmpty();
      assertThat(Mappings.notPrivate(List.of())).isEmpty();
    }
  }

  @Test
  void aBlockMayConsistOfSeveralMappings() {
    long address = Libc.mapPages(8 * PAGE);
    long[] all = {address, 8 * PAGE};
    assertThat(Libc.adviseOfPages(address, 8 * PAGE)).isTrue();
    assertThat(Libc.dropFrames(address + 2 * PAGE, PAGE)).isZero();
    long[] part = {address + 3 * PAGE, 2 * PAGE};
    assertThat(Mappings.notPrivate(List.of(all, part))).isEmpty();
  }
}
