// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import static io.github.tasklocal.junit.TaskLocalAssertions.assertSeen;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What BPF programs see of threads, in tests as users write them. */
@KernelTest
@ExtendWith(TaskLocalExtension.class)
class TaskLocalExtensionKernelIT {

  private static final TaskLocal.OfBoolean BOOLEAN =
      TaskLocal.of("a_boolean", ValueLayout.JAVA_BOOLEAN);
  private static final TaskLocal.OfByte BYTE = TaskLocal.of("a_byte", ValueLayout.JAVA_BYTE);
  private static final TaskLocal.OfShort SHORT = TaskLocal.of("a_short", ValueLayout.JAVA_SHORT);
  private static final TaskLocal.OfChar CHAR = TaskLocal.of("a_char", ValueLayout.JAVA_CHAR);
  private static final TaskLocal.OfInt INT = TaskLocal.of("an_int", ValueLayout.JAVA_INT);
  private static final TaskLocal.OfLong LONG = TaskLocal.of("a_long", ValueLayout.JAVA_LONG);
  private static final TaskLocal.OfFloat FLOAT = TaskLocal.of("a_float", ValueLayout.JAVA_FLOAT);
  private static final TaskLocal.OfDouble DOUBLE =
      TaskLocal.of("a_double", ValueLayout.JAVA_DOUBLE);
  private static final TaskLocal.OfSegment TEXT =
      TaskLocal.of("a_text", MemoryLayout.sequenceLayout(20, ValueLayout.JAVA_BYTE));

  @Test
  void aValueOfEachTypeIsSeen() {
    Thread self = Thread.currentThread();
    BOOLEAN.set(true);
    BYTE.set((byte) -2);
    SHORT.set((short) -3);
    CHAR.set('ß');
    INT.set(Integer.MIN_VALUE);
    LONG.set(Long.MAX_VALUE);
    FLOAT.set(-1.5f);
    DOUBLE.set(Double.MIN_VALUE);
    TEXT.setString("größer");
    assertSeen(self, BOOLEAN, true);
    assertSeen(self, BYTE, (byte) -2);
    assertSeen(self, SHORT, (short) -3);
    assertSeen(self, CHAR, 'ß');
    assertSeen(self, INT, Integer.MIN_VALUE);
    assertSeen(self, LONG, Long.MAX_VALUE);
    assertSeen(self, FLOAT, -1.5f);
    assertSeen(self, DOUBLE, Double.MIN_VALUE);
    assertSeen(self, TEXT, "größer");
    byte[] bytes = new byte[20];
    TEXT.segment().asByteBuffer().get(bytes);
    assertSeen(self, TEXT, MemorySegment.ofArray(bytes));
  }

  @Test
  void whatAnotherThreadHasSetIsSeen() throws InterruptedException {
    INT.set(1);
    try (Worker worker = new Worker(() -> INT.set(2))) {
      assertSeen(worker.thread(), INT, 2);
      assertSeen(Thread.currentThread(), INT, 1);
    }
  }

  @Test
  void aVirtualThreadSeesItsOwnValueWhileItRuns() throws Exception {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread virtual =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    INT.set(3);
                    LockSupport.parkNanos(1);
                    assertSeen(Thread.currentThread(), INT, 3);
                    done.complete(null);
                  } catch (Throwable e) {
                    done.completeExceptionally(e);
                  }
                });
    Await.result("the virtual thread has looked", done);
    virtual.join();
  }

  @Test
  void anotherValueFailsAndBothAreNamed() {
    INT.set(7);
    assertThatThrownBy(() -> assertSeen(Thread.currentThread(), INT, 8))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("what a BPF program sees of \"an_int\" on Thread[")
        .hasMessageEndingWith("expected: <8> but was: <7>");
  }

  @Test
  void aThreadThatHasUsedNoKeyHasNoValue() throws InterruptedException {
    try (Worker worker = new Worker(() -> {})) {
      assertThatThrownBy(() -> assertSeen(worker.thread(), INT, 0))
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("it has not used a key yet");
    }
  }

  @Test
  void aThreadThatHasEndedHasNoValue() throws InterruptedException {
    Worker worker = new Worker(() -> INT.set(4));
    worker.close();
    assertThatThrownBy(() -> assertSeen(worker.thread(), INT, 4))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("it has ended");
  }

  @Test
  void anotherVirtualThreadIsRefused() throws InterruptedException {
    Thread virtual = Thread.ofVirtual().start(LockSupport::park);
    try {
      assertThatThrownBy(() -> assertSeen(virtual, INT, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("let it call this itself");
    } finally {
      LockSupport.unpark(virtual);
      virtual.join();
    }
  }

  @Test
  void eachTestHasAMapThatGoesWithIt() {
    runSamples(Samples.Leaving.class, 5); // what is linked once stays
    List<String> before = maps();
    runSamples(Samples.Leaving.class, 5);
    Await.until("the maps of the tests are closed", () -> maps().equals(before));
  }

  private static List<String> maps() {
    return Descriptors.all().values().stream().filter(each -> each.contains("bpf")).toList();
  }

  @Test
  void testsThatRunAtTheSameTimeSeeTheirOwn() {
    Samples.run(
            Samples.AtOnce.class,
            Map.of(
                "junit.jupiter.execution.parallel.enabled",
                "true",
                "junit.jupiter.execution.parallel.config.strategy",
                "fixed",
                "junit.jupiter.execution.parallel.config.fixed.parallelism",
                "4"))
        .testEvents()
        .assertStatistics(events -> events.succeeded(5));
  }

  private static void runSamples(Class<?> tests, long count) {
    Samples.run(tests, Map.of()).testEvents().assertStatistics(events -> events.succeeded(count));
  }

  /** Root without the capabilities is as root in a container. */
  private static String childWithoutBpf(String bpf) {
    List<String> command =
        new ArrayList<>(
            List.of("setpriv", "--bounding-set=-cap_38,-cap_39,-sys_admin", "--no-new-privs"));
    command.addAll(
        Jvm.command(Jvm.shortLived(), Jvm.join(Jvm.classPath()), SamplesChild.class, bpf));
    return Jvm.output(command);
  }

  @Test
  void whereNoProgramCanBeLoadedValuesArePlainMemory() {
    assertThat(childWithoutBpf("auto"))
        .contains("values are plain memory in tests, and no BPF program looks at them: ")
        .contains("1 passed, 0 failed");
  }

  @Test
  void whereItIsRequiredTheTestFailsWithTheReason() {
    assertThat(childWithoutBpf("required"))
        .contains("0 passed, 1 failed")
        .contains("the test can have no map, which tasklocal.bpf=required asks for: ");
  }
}
