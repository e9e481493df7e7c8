// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.kit.Await;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Another processor never sees a half of a value of up to 8 bytes, however it is written. */
class WholeValueTest {

  private static final VarHandle WORD = JAVA_LONG.varHandle();

  /** How often the watching thread has to see one value after the other: both may share a CPU. */
  private static final int CHANGES = 3;

  /** How many times ten thousand values are written at least: many changes where there are two. */
  private static final int ROUNDS = 20;

  private static TaskLocal.OfSegment bytes(int size) {
    return TaskLocal.of("whole." + size, MemoryLayout.sequenceLayout(size, JAVA_BYTE));
  }

  /** Looks at a word again and again, and remembers what was there. */
  private static final class Watcher extends Thread {
    private final MemorySegment word;
    private final Set<Long> seen = new HashSet<>();
    private final AtomicBoolean over = new AtomicBoolean();
    private final AtomicInteger changes = new AtomicInteger();

    @SuppressWarnings("restricted")
    Watcher(MemorySegment value) {
      this.word = MemorySegment.ofAddress(value.address()).reinterpret(Long.BYTES);
    }

    @Override
    public void run() {
      long last = (long) WORD.getOpaque(word, 0L);
      while (!over.get()) {
        long now = (long) WORD.getOpaque(word, 0L);
        if (now != last) {
          seen.add(now);
          changes.incrementAndGet();
          last = now;
        }
      }
    }

    Set<Long> end() throws InterruptedException {
      over.set(true);
      join();
      return seen;
    }
  }

  /** {@return what another thread sees while one value after the other is written} */
  private static <T> Set<Long> seen(MemorySegment value, List<T> values, Consumer<T> write)
      throws InterruptedException {
    Watcher watcher = new Watcher(value);
    watcher.start();
    AtomicInteger rounds = new AtomicInteger();
    try {
      Await.until(
          CHANGES + " changes",
          () -> {
            for (int i = 0; i < 10_000; i++) {
              values.forEach(write);
            }
            return rounds.incrementAndGet() >= ROUNDS && watcher.changes.get() >= CHANGES;
          });
    } finally {
      watcher.end();
    }
    return watcher.end();
  }

  private static long word(String text) {
    byte[] bytes = Arrays.copyOf(text.getBytes(UTF_8), Long.BYTES);
    return MemorySegment.ofArray(bytes).get(JAVA_LONG.withByteAlignment(1), 0);
  }

  private static Long[] words(List<String> texts) {
    return texts.stream().map(WholeValueTest::word).toArray(Long[]::new);
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 5, 7, 8, 16})
  void aShortTextIsNeverSeenHalfWritten(int size) throws InterruptedException {
    TaskLocal.OfSegment key = bytes(size);
    int length = Math.min(size - 1, 7);
    List<String> texts =
        List.of("a".repeat(length), length > 1 ? "ü".repeat(length / 2) : "b", "c", "");
    assertThat(seen(key.segment(), texts, key::setString)).isSubsetOf(words(texts));
    TaskLocal.OfSegment.Bound bound = key.bind();
    assertThat(seen(key.segment(), texts, bound::setString)).isSubsetOf(words(texts));
    List<TaskLocalScope> scopes = texts.stream().map(key::with).toList();
    assertThat(seen(key.segment(), scopes, scope -> scope.run(() -> {}))).isSubsetOf(words(texts));
  }

  @Test
  void aTextIsNeverReadHalfWritten() throws InterruptedException {
    TaskLocal.OfSegment key = bytes(7);
    List<String> texts = List.of("aaaaaa", "bbbbbb");
    key.setString(texts.getFirst());
    MemorySegment word = new Watcher(key.segment()).word;
    AtomicBoolean over = new AtomicBoolean();
    Thread writer =
        new Thread(
            () -> {
              while (!over.get()) {
                texts.forEach(text -> WORD.setOpaque(word, 0L, word(text)));
              }
            });
    writer.start();
    Set<String> read = new HashSet<>();
    try {
      Await.until(
          "both texts",
          () -> {
            for (int i = 0; i < 10_000; i++) {
              read.add(key.getString());
            }
            return read.size() >= 2;
          });
    } finally {
      over.set(true);
      writer.join();
    }
    assertThat(read).containsExactlyInAnyOrderElementsOf(texts);
  }

  @Test
  void aScopeWritesWhatIsBesideASequenceWhole() throws InterruptedException {
    TaskLocal.OfSegment key =
        TaskLocal.of(
            "whole.sequenced",
            MemoryLayout.structLayout(
                JAVA_INT.withName("sequence"), MemoryLayout.sequenceLayout(3, JAVA_BYTE)));
    TaskLocalScope scope = key.with(MemorySegment.ofArray(new byte[] {0, 0, 0, 0, 'x', 'x', 'x'}));
    MemorySegment beside = MemorySegment.ofArray(new int[2]);
    Set<Integer> seen = new HashSet<>();
    for (long word : seen(key.segment(), List.of(scope), each -> each.run(() -> {}))) {
      beside.set(JAVA_LONG.withByteAlignment(4), 0, word);
      seen.add(beside.get(JAVA_INT, 4));
    }
    beside.setString(4, "xxx");
    assertThat(seen).containsExactlyInAnyOrder(0, beside.get(JAVA_INT, 4));
  }

  @Test
  void aTextOfAnyLengthIsFollowedByNulsOnly() {
    for (int size : new int[] {9, 16, 61}) {
      TaskLocal.OfSegment key = bytes(size);
      for (String piece : List.of("a", "ü", "€", "🔑")) {
        for (int count = 0; count * piece.getBytes(UTF_8).length < size; count++) {
          String text = piece.repeat(count);
          for (String each : List.of(text, "x" + text, "xy" + text, "xyz" + text)) {
            byte[] expected = each.getBytes(UTF_8);
            if (expected.length < size) {
              key.segment().fill((byte) -1);
              key.setString(each);
              assertThat(key.segment().toArray(JAVA_BYTE)).isEqualTo(Arrays.copyOf(expected, size));
              assertThat(key.getString()).isEqualTo(each);
            }
          }
        }
      }
    }
  }

  @Test
  void aBoundTextIsItsOwnThreads() throws InterruptedException {
    TaskLocal.OfSegment.Bound bound = bytes(8).bind();
    Thread other =
        new Thread(
            () ->
                Stream.<Runnable>of(() -> bound.setString("x"), bound::getString)
                    .forEach(
                        use ->
                            assertThatThrownBy(use::run).isInstanceOf(WrongThreadException.class)));
    Throwable[] thrown = new Throwable[1];
    other.setUncaughtExceptionHandler((thread, e) -> thrown[0] = e);
    other.start();
    other.join();
    assertThat(thrown[0]).isNull();
  }
}
