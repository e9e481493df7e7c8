// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Clang;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The elements of maps, read and changed from Java and seen by programs. */
@KernelTest
class ElementsKernelIT {

  private static Path file;

  private BpfObject object;

  @BeforeAll
  static void compile(@TempDir Path folder) {
    file = Clang.compile(folder, "kinds");
  }

  @BeforeEach
  void load() {
    object = BpfObject.load(file);
  }

  @AfterEach
  void close() {
    object.close();
  }

  private static MemorySegment bytes(int... bytes) {
    byte[] all = new byte[bytes.length];
    for (int i = 0; i < all.length; i++) {
      all[i] = (byte) bytes[i];
    }
    return MemorySegment.ofArray(all);
  }

  private static MemorySegment number(int value) {
    return MemorySegment.ofArray(new int[] {value});
  }

  private static MemorySegment number(long value) {
    return MemorySegment.ofArray(new long[] {value});
  }

  @Test
  void elementsOfAHashTableComeAndGo() {
    BpfMap table = object.map("table");
    MemorySegment one = bytes(1, 2, 3, 4, 5);
    MemorySegment two = bytes(5, 4, 3, 2, 1);
    assertThat(table.get(one)).isEmpty();
    assertThat(table.remove(one)).isFalse();
    assertThat(table.keys()).isEmpty();
    table.put(one, number(21L));
    assertThat(table.putIfAbsent(one, number(1L))).isFalse();
    assertThat(table.putIfAbsent(two, number(2L))).isTrue();
    assertThat(object.program("twice").run(one)).isZero();
    assertThat(table.get(one).orElseThrow().get(JAVA_LONG, 0)).isEqualTo(42);
    assertThat(table.get(two).orElseThrow().get(JAVA_LONG, 0)).isEqualTo(2);
    assertThat(table.keys().stream().map(key -> key.toArray(JAVA_BYTE)))
        .containsExactlyInAnyOrder(one.toArray(JAVA_BYTE), two.toArray(JAVA_BYTE));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment unaligned = arena.allocate(16).asSlice(3, 5).copyFrom(two);
      table.put(unaligned, arena.allocate(32).asSlice(1, 8).fill((byte) 1).asReadOnly());
    }
    assertThat(table.get(two).orElseThrow().get(JAVA_LONG, 0)).isEqualTo(0x0101010101010101L);
    assertThat(table.remove(one)).isTrue();
    assertThat(table.remove(one)).isFalse();
    assertThat(table.keys()).hasSize(1);
  }

  @Test
  void aFullTableSaysSo() {
    BpfMap table = object.map("table");
    for (int i = 0; i < 3; i++) {
      table.put(bytes(i, 0, 0, 0, 0), number((long) i));
    }
    assertThatThrownBy(() -> table.put(bytes(9, 0, 0, 0, 0), number(9L)))
        .isInstanceOf(KernelException.class)
        .hasMessageContainingAll("table", "E2BIG", "3 elements", "maxEntries");
    table.put(bytes(2, 0, 0, 0, 0), number(7L));
  }

  @Test
  void anArrayHasAllItsElementsFromTheBeginning() {
    BpfMap array = object.map("array");
    assertThat(array.keys().stream().map(key -> key.get(JAVA_INT, 0))).containsExactly(0, 1, 2);
    assertThat(array.get(number(1)).orElseThrow().toArray(JAVA_BYTE)).isEqualTo(new byte[5]);
    array.put(number(1), bytes(1, 2, 3, 4, 5));
    assertThat(array.get(number(1)).orElseThrow().toArray(JAVA_BYTE))
        .isEqualTo(new byte[] {1, 2, 3, 4, 5});
    assertThat(array.putIfAbsent(number(1), bytes(0, 0, 0, 0, 0))).isFalse();
    assertThat(array.get(number(3))).isEmpty();
    assertThatThrownBy(() -> array.put(number(3), bytes(0, 0, 0, 0, 0)))
        .isInstanceOf(KernelException.class)
        .hasMessageContainingAll("array", "E2BIG", "beyond its end");
    assertThatThrownBy(() -> array.remove(number(1)))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("array", "its type, 2", "not removed");
  }

  @Test
  void aMapPerCpuHasAValueForEach() {
    BpfMap perCpu = object.map("per_cpu");
    assertThat(perCpu.valueSize()).isEqualTo(4);
    assertThat(perCpu.elementSize()).isPositive().isGreaterThanOrEqualTo(8);
    assertThat(perCpu.elementSize() % 8).isZero();
    MemorySegment values = MemorySegment.ofArray(new byte[(int) perCpu.elementSize()]);
    int expected = 0;
    for (int at = 0; at < values.byteSize(); at += 8) {
      values.set(JAVA_INT.withByteAlignment(1), at, at + 1);
      expected += at + 1;
    }
    perCpu.put(number(7), values);
    assertThat(object.program("sum").run()).isEqualTo(3 * expected);
    MemorySegment read = perCpu.get(number(7)).orElseThrow();
    for (int at = 0; at < read.byteSize(); at += 8) {
      assertThat(read.get(JAVA_INT, at)).isEqualTo(at + 1);
    }
    assertThatIllegalArgumentException()
        .isThrownBy(() -> perCpu.put(number(7), number(1)))
        .withMessageContaining("per_cpu");
    assertThat(perCpu.remove(number(7))).isTrue();
  }

  @Test
  void aQueueGivesWhatIsNext() {
    BpfMap queue = object.map("queue");
    MemorySegment none = MemorySegment.ofArray(new byte[0]);
    assertThat(queue.get(none)).isEmpty();
    queue.put(none, number(5));
    queue.put(none, number(6));
    assertThat(queue.get(none).orElseThrow().get(JAVA_INT, 0)).isEqualTo(5);
  }

  @Test
  void otherSizesAreRefusedBeforeTheKernelSeesThem() {
    BpfMap table = object.map("table");
    MemorySegment key = bytes(1, 2, 3, 4, 5);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> table.get(number(1)))
        .withMessageContainingAll("key has 4 bytes", "table", "have 5");
    assertThatIllegalArgumentException().isThrownBy(() -> table.remove(number(1L)));
    assertThatIllegalArgumentException().isThrownBy(() -> table.put(number(1), number(1L)));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> table.put(key, number(1)))
        .withMessageContainingAll("value has 4 bytes", "table", "8");
    assertThat(table.keys()).isEmpty();
  }

  @Test
  void aMapThatHasNoElementsOrMayNotBeWrittenSaysSo() {
    BpfMap ring = object.map("ring");
    MemorySegment none = MemorySegment.ofArray(new byte[0]);
    assertThatThrownBy(() -> ring.get(none))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("ring", "type, 27");
    assertThatThrownBy(ring::keys).isInstanceOf(WrongObjectException.class);
    BpfMap constants =
        object.maps().stream()
            .filter(map -> map.name().endsWith(".rodata"))
            .findAny()
            .orElseThrow();
    MemorySegment values = constants.get(number(0)).orElseThrow();
    assertThatThrownBy(() -> constants.put(number(0), values))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("EPERM", "may not write", "frozen");
  }

  @Test
  void keysAreListedWhileOthersComeAndGo() throws Exception {
    BpfMap table = object.map("table");
    MemorySegment stays = bytes(7, 7, 7, 7, 7);
    table.put(stays, number(7L));
    AtomicBoolean enough = new AtomicBoolean();
    FutureTask<Boolean> changes =
        new FutureTask<>(
            () -> {
              for (int i = 0; !enough.get(); i++) {
                MemorySegment key = bytes(i, 0, 0, 0, 0);
                table.put(key, number((long) i));
                assertThat(table.remove(key)).isTrue();
              }
              return true;
            });
    Thread.ofPlatform().daemon().start(changes);
    for (int i = 0; i < 1000; i++) {
      List<MemorySegment> keys = table.keys();
      assertThat(keys.stream().map(key -> List.of(key.get(JAVA_BYTE, 0), key.get(JAVA_BYTE, 1))))
          .doesNotHaveDuplicates();
    }
    enough.set(true);
    assertThat(Await.result("changes", changes)).isTrue();
    assertThat(table.keys()).hasSize(1);
  }

  @Test
  void elementsNeedALoadedObject() {
    BpfMap table = object.map("table");
    object.close();
    assertThatIllegalStateException().isThrownBy(table::keys).withMessageContaining("closed");
    try (BpfObject opened = BpfObject.open(file)) {
      assertThatIllegalStateException()
          .isThrownBy(() -> opened.map("table").get(bytes(1, 2, 3, 4, 5)))
          .withMessageContaining("call load()");
    }
  }
}
