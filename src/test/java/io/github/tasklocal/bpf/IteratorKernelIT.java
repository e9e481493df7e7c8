// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Clang;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@KernelTest
class IteratorKernelIT {

  private static final int THREADS = 50;
  private static final long RECORD = 32;
  private static final long WIDE_RECORD = 8 + 4096;

  private static Path file;
  private static BpfObject object;

  @BeforeAll
  static void load(@TempDir Path folder) {
    file = Clang.compile(folder, "iterators");
    object = BpfObject.load(file);
  }

  @AfterAll
  static void close() {
    object.close();
  }

  @Test
  void everyLivingThreadIsSeenOnceAndAnEndedOneSoonNoMore() throws Exception {
    CountDownLatch running = new CountDownLatch(THREADS); // until then its task has another name
    CountDownLatch end = new CountDownLatch(1);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      Thread thread =
          new Thread(
              () -> {
                running.countDown();
                await(end);
              },
              "it-parked-" + i);
      thread.start();
      threads.add(thread);
    }
    running.await();
    try {
      Map<String, Integer> seen = names(object.program("tasks").iterate());
      for (Thread thread : threads) {
        assertThat(seen).containsEntry(thread.getName(), 1);
      }
    } finally {
      end.countDown();
      for (Thread thread : threads) {
        thread.join();
      }
    }
    // The kernel's task ends a moment after the thread has ended in Java.
    List<String> none =
        Await.until("no task of an ended thread", IteratorKernelIT::parked, List::isEmpty);
    assertThat(none).isEmpty();
  }

  private static List<String> parked() {
    Map<String, Integer> names = names(object.program("tasks").iterate());
    assertThat(names).isNotEmpty();
    return names.keySet().stream().filter(name -> name.startsWith("it-parked-")).toList();
  }

  private static Map<String, Integer> names(MemorySegment records) {
    assertThat(records.byteSize() % RECORD).isZero();
    Map<String, Integer> names = new HashMap<>();
    for (long at = 0; at < records.byteSize(); at += RECORD) {
      assertThat(records.get(JAVA_LONG, at)).as("number").isEqualTo(at / RECORD);
      assertThat(records.get(JAVA_INT, at + 8)).as("tid").isPositive();
      names.merge(records.getString(at + 12), 1, Integer::sum);
    }
    return names;
  }

  /** 8 pages hold 7 such records, and the kernel runs the program for the 8th twice. */
  @Test
  void recordsThatDoNotFitIntoOneReadComeWholeAndOnce() {
    object.global("runs").set(JAVA_INT, 0, 0);
    MemorySegment records = object.program("wide").iterate();
    long count = records.byteSize() / WIDE_RECORD;
    assertThat(records.byteSize() % WIDE_RECORD).isZero();
    assertThat(count).isGreaterThan(8);
    for (long i = 0; i < count; i++) {
      assertThat(records.get(JAVA_LONG, i * WIDE_RECORD)).isEqualTo(i);
    }
    assertThat((long) object.global("runs").get(JAVA_INT, 0)).isGreaterThan(count);
  }

  @Test
  void nothingWrittenIsAnEmptySegment() {
    assertThat(object.program("silent").iterate().byteSize()).isZero();
  }

  @Test
  void aRunThatWritesTooMuchOrNeverEndsIsRefusedInWords() {
    assertThatThrownBy(() -> object.program("too_wide").iterate())
        .isInstanceOf(KernelException.class)
        .hasMessageContainingAll("iterate program too_wide (iter/task)", "E2BIG", "32768 bytes");
    assertThatThrownBy(() -> object.program("again").iterate())
        .isInstanceOf(KernelException.class)
        .hasMessageContainingAll("iterate program again (iter/task)", "EAGAIN", "return 0");
  }

  @Test
  void aProgramThatIsNoIteratorIsRefused() {
    assertThatThrownBy(() -> object.program("no_iterator").iterate())
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("no_iterator", "its section is syscall", "SEC(\"iter/task\")");
  }

  @Test
  void anObjectThatIsNotLoadedOrClosedIteratesNothing() {
    BpfObject open = BpfObject.open(file);
    BpfProgram tasks = open.program("tasks");
    assertThatIllegalStateException()
        .isThrownBy(tasks::iterate)
        .withMessageContaining("not loaded");
    open.close();
    assertThatIllegalStateException().isThrownBy(tasks::iterate).withMessageContaining("closed");
  }

  @Test
  void noDescriptorIsLeftBehind() throws IOException {
    assertThat(object.program("tasks").iterate().byteSize()).isPositive();
    int before = Descriptors.count();
    for (int i = 0; i < 100; i++) {
      assertThat(object.program("tasks").iterate().byteSize()).isPositive();
      assertThatThrownBy(() -> object.program("too_wide").iterate())
          .isInstanceOf(KernelException.class);
    }
    assertThat(Descriptors.count()).isEqualTo(before);
  }

  private static void await(CountDownLatch end) {
    try {
      end.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
