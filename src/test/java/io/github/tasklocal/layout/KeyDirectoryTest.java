// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.error.DirectoryFullException;
import io.github.tasklocal.error.InvalidKeyException;
import io.github.tasklocal.error.KeyConflictException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checks pages against the bytes of docs/wires.md, not through the reader of this package. */
class KeyDirectoryTest {

  private final MemorySegment formA = Arena.ofAuto().allocate(DataPage.SIZE, DataPage.SIZE);
  private final MemorySegment formB = Arena.ofAuto().allocate(DataPage.SIZE, DataPage.SIZE);
  private final KeyDirectory directory = new KeyDirectory(formA, formB);

  private static MemoryLayout bytes(long size) {
    return MemoryLayout.sequenceLayout(size, JAVA_BYTE);
  }

  @Test
  void theFirstValueLiesBehindTheStartAndTheMarkAndEachNextOneIsAlignedTo8() {
    assertThat(directory.define("a", JAVA_BYTE).offset()).isEqualTo(16);
    assertThat(directory.define("b", bytes(9)).offset()).isEqualTo(24);
    assertThat(directory.define("c", JAVA_INT).offset()).isEqualTo(40);
    assertThat(directory.define("d", JAVA_LONG).offset()).isEqualTo(48);
  }

  @Test
  void theSameNameAndLayoutGiveTheSameKey() {
    Key first = directory.define("priority", JAVA_INT);
    assertThat(directory.define("priority", JAVA_INT)).isSameAs(first);
    assertThat(directory.define("priority", JAVA_INT.withName("other"))).isSameAs(first);
    assertThat(directory.keys()).containsExactly(first);
  }

  @Test
  void anUnalignedLayoutIsTakenAsTheNaturalOne() {
    Key key = directory.define("deadline_ns", JAVA_LONG_UNALIGNED);
    assertThat(key.layout()).isEqualTo(JAVA_LONG);
    assertThat(directory.define("deadline_ns", JAVA_LONG)).isSameAs(key);
  }

  @Test
  void aNameThatIsTakenByAnotherSizeOrTypeIsRefusedWithBoth() {
    directory.define("priority", JAVA_INT);
    assertThatThrownBy(() -> directory.define("priority", JAVA_LONG))
        .isInstanceOf(KeyConflictException.class)
        .hasMessageContainingAll("\"priority\"", "long of 8 bytes", "int of 4 bytes");
    assertThatThrownBy(() -> directory.define("priority", JAVA_FLOAT))
        .isInstanceOf(KeyConflictException.class)
        .hasMessageContainingAll("float of 4 bytes", "int of 4 bytes");
    assertThat(directory.keys()).hasSize(1);
  }

  @Test
  void wireAHasKeyAndOffsetAndWiresBAndCHaveNameSizeAndCount() {
    directory.define("priority", JAVA_INT);
    directory.define("größe", bytes(20));
    directory.define("id", JAVA_SHORT);

    assertThat(formA.getString(0)).isEqualTo("priority");
    assertThat(formA.get(JAVA_SHORT, 62)).isEqualTo((short) 16);
    assertThat(formA.getString(64)).isEqualTo("größe");
    assertThat(formA.get(JAVA_SHORT, 64 + 62)).isEqualTo((short) 24);
    assertThat(formA.getString(128)).isEqualTo("id");
    assertThat(formA.get(JAVA_SHORT, 128 + 62)).isEqualTo((short) 48);
    assertThat(formA.get(JAVA_BYTE, 192)).isZero();

    assertThat(formB.get(JAVA_SHORT, 0)).isEqualTo((short) 3);
    assertThat(formB.get(JAVA_SHORT, 2)).isEqualTo((short) 4080);
    assertThat(formB.getString(4)).isEqualTo("priority");
    assertThat(formB.get(JAVA_SHORT, 4 + 62)).isEqualTo((short) 4);
    assertThat(formB.getString(68)).isEqualTo("größe");
    assertThat(formB.get(JAVA_SHORT, 68 + 62)).isEqualTo((short) 20);
  }

  @Test
  void theOffsetsOfWireAAreTheRunningSumsOfWiresBAndC() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int i = 0; i < 63; i++) {
      directory.define("key." + i, bytes(1 + random.nextInt(60)));
    }
    int sum = DataPage.START;
    for (int i = 0; i < 63; i++) {
      assertThat(formA.get(JAVA_SHORT, i * 64L + 62))
          .as("key %d, seed %d", i, seed)
          .isEqualTo((short) sum);
      sum += (formB.get(JAVA_SHORT, 4 + i * 64L + 62) + 7) & -8;
    }
  }

  @Test
  void the64thKeyStandsOnWireAAloneAndThe65thIsRefused() {
    for (int i = 0; i < 64; i++) {
      assertThat(directory.define("k" + i, JAVA_LONG).index()).isEqualTo(i);
    }
    assertThat(formA.getString(63 * 64)).isEqualTo("k63");
    assertThat(formB.get(JAVA_SHORT, 0)).isEqualTo((short) 63);
    assertThat(formB.asSlice(4 + 63 * 64).mismatch(MemorySegment.ofArray(new byte[60])))
        .isEqualTo(-1);
    byte[] before = formA.toArray(JAVA_BYTE);
    assertThatThrownBy(() -> directory.define("k64", JAVA_BYTE))
        .isInstanceOf(DirectoryFullException.class)
        .hasMessageContainingAll("\"k64\"", "64");
    assertThat(directory.define("k63", JAVA_LONG).index()).isEqualTo(63);
    assertThat(formA.toArray(JAVA_BYTE)).isEqualTo(before);
  }

  @Test
  void aPageIsFilledToItsLastByteAndNoFurther() {
    directory.define("first", bytes(4000));
    assertThatThrownBy(() -> directory.define("too-much", bytes(81)))
        .isInstanceOf(DirectoryFullException.class)
        .hasMessageContainingAll("\"too-much\"", "81", "80", "4080");
    Key last = directory.define("last", bytes(80));
    assertThat(last.offset() + last.size()).isEqualTo(DataPage.SIZE);
    assertThatThrownBy(() -> directory.define("more", JAVA_BYTE))
        .isInstanceOf(DirectoryFullException.class);
    assertThat(directory.keys()).hasSize(2);
    assertThat(formA.get(JAVA_BYTE, 128)).isZero();
    assertThat(formB.get(JAVA_SHORT, 0)).isEqualTo((short) 2);
  }

  @Test
  void oneValueMayHaveAllOfThePage() {
    assertThat(directory.define("all", bytes(4080)).size()).isEqualTo(4080);
  }

  @ParameterizedTest
  @ValueSource(strings = {"x", "com.example/queue depth", "größe", "鍵", "🔑"})
  void anyTextOfUpTo61BytesIsAName(String name) {
    directory.define(name, JAVA_INT);
    assertThat(formA.getString(0)).isEqualTo(name);
    assertThat(formB.getString(4)).isEqualTo(name);
  }

  @Test
  void aNameOf61BytesFitsAndOneOf62IsRefusedWhateverItsCharacters() {
    directory.define("x".repeat(61), JAVA_INT);
    directory.define("ü".repeat(30) + "x", JAVA_INT);
    assertThatThrownBy(() -> directory.define("x".repeat(62), JAVA_INT))
        .isInstanceOf(InvalidKeyException.class)
        .hasMessageContainingAll("62", "61");
    assertThatThrownBy(() -> directory.define("ü".repeat(61), JAVA_INT))
        .isInstanceOf(InvalidKeyException.class)
        .hasMessageContainingAll("122 bytes", "61");
    assertThat(formA.get(JAVA_BYTE, 61)).isZero();
    assertThat(directory.keys()).hasSize(2);
  }

  @Test
  void aNameThatIsEmptyOrHasANulOrHalfACharacterIsRefused() {
    for (String name : List.of("", "a\0b", "\0", "a\ud83d", "\udd11")) {
      assertThatThrownBy(() -> directory.define(name, JAVA_INT))
          .isInstanceOf(InvalidKeyException.class);
    }
    assertThatThrownBy(() -> directory.define(null, JAVA_INT))
        .isInstanceOf(NullPointerException.class)
        .hasMessageContaining("61");
    assertThatThrownBy(() -> directory.define("x", null)).isInstanceOf(NullPointerException.class);
    assertThat(directory.keys()).isEmpty();
    assertThat(formA.mismatch(MemorySegment.ofArray(new byte[DataPage.SIZE]))).isEqualTo(-1);
  }

  @Test
  void aLayoutThatNoPageCanHoldIsRefused() {
    ByteOrder other =
        ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN
            ? ByteOrder.LITTLE_ENDIAN
            : ByteOrder.BIG_ENDIAN;
    for (MemoryLayout layout :
        List.of(
            MemoryLayout.structLayout(),
            bytes(0),
            bytes(4089),
            bytes(1L << 32),
            MemoryLayout.structLayout(JAVA_DOUBLE).withByteAlignment(16),
            MemoryLayout.paddingLayout(8),
            java.lang.foreign.ValueLayout.ADDRESS,
            JAVA_INT.withOrder(other))) {
      assertThatThrownBy(() -> directory.define("bad", layout))
          .isInstanceOf(InvalidKeyException.class)
          .hasMessageContaining("\"bad\"");
    }
    assertThat(directory.keys()).isEmpty();
  }

  @Test
  void threadsThatRaceForTheSameNamesGetTheSameKeysAndNoTwoValuesOverlap() throws Exception {
    int threads = 8;
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      for (int round = 0; round < 100; round++) {
        KeyDirectory fresh =
            new KeyDirectory(
                Arena.ofAuto().allocate(DataPage.SIZE), Arena.ofAuto().allocate(DataPage.SIZE));
        CyclicBarrier start = new CyclicBarrier(threads);
        Callable<List<Key>> maker =
            () -> {
              start.await();
              List<Key> keys = new ArrayList<>();
              for (int i = 0; i < 61; i++) {
                keys.add(fresh.define("race." + i, bytes(1 + i % 20)));
              }
              return keys;
            };
        List<Future<List<Key>>> made =
            pool.invokeAll(java.util.Collections.nCopies(threads, maker));
        List<Key> first = made.getFirst().get();
        for (Future<List<Key>> others : made) {
          assertThat(others.get()).isEqualTo(first);
        }
        int end = DataPage.START;
        for (Key key : fresh.keys()) {
          assertThat(key.offset()).isGreaterThanOrEqualTo(end);
          end = key.offset() + key.size();
        }
        assertThat(fresh.keys()).hasSize(61);
      }
    }
  }

  @Test
  void aReaderThatRunsMeanwhileNeverSeesAHalfMadeEntry() throws Exception {
    byte[] wanted = "a-name-of-some-length".getBytes(StandardCharsets.UTF_8);
    for (int round = 0; round < 200; round++) {
      MemorySegment a = Arena.ofAuto().allocate(DataPage.SIZE, 8);
      MemorySegment b = Arena.ofAuto().allocate(DataPage.SIZE, 8);
      KeyDirectory fresh = new KeyDirectory(a, b);
      Thread maker = new Thread(() -> fresh.define("a-name-of-some-length", JAVA_INT));
      maker.start();
      var firstByte = JAVA_BYTE.varHandle();
      var count = JAVA_SHORT.varHandle();
      while ((byte) firstByte.getAcquire(a, 0L) == 0) {
        Thread.onSpinWait();
      }
      assertThat(a.asSlice(0, wanted.length).toArray(JAVA_BYTE)).isEqualTo(wanted);
      assertThat(a.get(JAVA_SHORT, 62)).isEqualTo((short) 16);
      while ((short) count.getAcquire(b, 0L) == 0) {
        Thread.onSpinWait();
      }
      assertThat(b.asSlice(4, wanted.length).toArray(JAVA_BYTE)).isEqualTo(wanted);
      assertThat(b.get(JAVA_SHORT, 66)).isEqualTo((short) 4);
      maker.join();
    }
  }

  @Test
  void aKeyIsShownOnlyAfterItsDescriptionHasSettled() {
    byte[] rest = "ey".getBytes(StandardCharsets.UTF_8);
    List<Integer> calls = new ArrayList<>();
    directory.settleBy(
        () -> {
          assertThat(formA.asSlice(1, 2).toArray(JAVA_BYTE)).isEqualTo(rest);
          assertThat(formA.get(JAVA_SHORT, 62)).isEqualTo((short) 16);
          assertThat(formA.get(JAVA_BYTE, 0)).as("A's first byte").isZero();
          assertThat(formB.asSlice(5, 2).toArray(JAVA_BYTE)).isEqualTo(rest);
          assertThat(formB.get(JAVA_SHORT, 66)).isEqualTo((short) 4);
          assertThat(formB.get(JAVA_SHORT, 0)).as("B's count").isZero();
          calls.add(1);
        });
    Key key = directory.define("key", JAVA_INT);
    assertThat(directory.define("key", JAVA_INT)).isSameAs(key);
    assertThat(calls).hasSize(1);
    assertThat(formA.get(JAVA_BYTE, 0)).isEqualTo((byte) 'k');
    assertThat(formB.get(JAVA_SHORT, 0)).isEqualTo((short) 1);
  }

  @Test
  void eachWireHasTheMetadataPageOfItsForm() {
    assertThat(directory.metadata(Wire.A)).isEqualTo(formA.address());
    assertThat(directory.metadata(Wire.B)).isEqualTo(formB.address());
    assertThat(directory.metadata(Wire.C)).isEqualTo(formB.address());
  }
}
