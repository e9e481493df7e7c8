// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Child processes have no values, and leave those of the parent's threads alone. */
@KernelTest
class ForkKernelIT {

  private static final int SIGCHLD = 17;
  private static final int SECONDS = 60;
  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);
  private static final Map<Wire, BpfView> VIEWS = new EnumMap<>(Wire.class);

  private static final MethodHandle CLONE =
      Linker.nativeLinker()
          .downcallHandle(
              Pthread.find("clone"),
              FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_INT, ADDRESS),
              Linker.Option.firstVariadicArg(4));
  private static final MethodHandle WAIT =
      Pthread.function("waitpid", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);

  private List<Worker> workers;

  @BeforeAll
  static void load(@TempDir Path folder) throws Exception {
    for (Wire wire : Wire.values()) {
      Path each = Files.createDirectory(folder.resolve(wire.name()));
      VIEWS.put(wire, BpfView.load(BpfView.compile(each, wire), wire));
    }
  }

  @AfterAll
  static void close() {
    VIEWS.values().forEach(BpfView::close);
  }

  @BeforeEach
  void startThreads() {
    workers = Worker.start(5, VALUE, 100);
  }

  @AfterEach
  void endThreads() {
    workers.forEach(Worker::close);
  }

  /** Checks every thread's value, and that Java and BPF see each other's new ones. */
  private void valuesGoOn(BpfView view, int base) {
    for (int i = 0; i < workers.size(); i++) {
      Worker worker = workers.get(i);
      int value = base + i;
      assertThat(view.of(worker.tid())).isEqualTo(100 + i);
      assertThat((int) worker.call(() -> VALUE.get())).isEqualTo(100 + i);
      worker.run(() -> VALUE.set(value));
      assertThat(view.of(worker.tid())).isEqualTo(value);
      view.write(worker.tid(), 0, 100 + i);
      assertThat((int) worker.call(() -> VALUE.get())).isEqualTo(100 + i);
    }
  }

  private static void hasNothing(BpfView view, long pid) throws IOException {
    try (Stream<Path> tasks = Files.list(Path.of("/proc", String.valueOf(pid), "task"))) {
      assertThat(tasks)
          .isNotEmpty()
          .allSatisfy(
              task ->
                  assertThat(view.of(Integer.parseInt(task.getFileName().toString())))
                      .isEqualTo(BpfView.NO_ENTRY));
    }
  }

  @ParameterizedTest
  @EnumSource
  void aProcessThatIsStartedHasNoValuesAndDisturbsNone(Wire wire) {
    BpfView view = VIEWS.get(wire);
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      List<Process> processes = workers.stream().map(each -> each.call(this::sleep)).toList();
      try {
        for (int round = 0; round < 3; round++) {
          for (Process process : processes) {
            hasNothing(view, process.pid());
          }
          valuesGoOn(view, 200 + 10 * round);
        }
      } catch (IOException e) {
        fail(e);
      } finally {
        processes.forEach(Process::destroyForcibly);
      }
      assertThat(map.failures()).isZero();
      valuesGoOn(view, 300);
    }
  }

  private Process sleep() {
    try {
      return new ProcessBuilder("sleep", String.valueOf(SECONDS)).directory(new File("/")).start();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @EnumSource
  void aProcessThatIsForkedWithoutExecHasNoValuesAndDisturbsNone(Wire wire) throws IOException {
    BpfView view = VIEWS.get(wire);
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      int pid = workers.getFirst().call(ForkKernelIT::forkToSleep);
      try {
        hasNothing(view, pid);
        valuesGoOn(view, 200);
        try (Worker late = new Worker("late")) {
          late.run(() -> VALUE.set(7));
          assertThat(view.of(late.tid())).isEqualTo(7);
        }
        hasNothing(view, pid);
      } finally {
        end(pid);
      }
      valuesGoOn(view, 300);
      assertThat(map.failures()).isZero();
    }
  }

  @ParameterizedTest
  @EnumSource
  void pagesThatAForkSharesAreRegisteredAllTheSame(Wire wire) throws IOException {
    BpfView view = VIEWS.get(wire);
    int pid = workers.getFirst().call(ForkKernelIT::forkToSleep);
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      valuesGoOn(view, 200);
      hasNothing(view, pid);
      assertThat(map.failures()).isZero();
    } finally {
      end(pid);
    }
    assertThat(IntStream.range(0, workers.size()))
        .allMatch(i -> workers.get(i).call(() -> VALUE.get()) == 100 + i);
  }

  /** A fork without exec, of which no Java code knows: the child only sleeps, and exits. */
  private static int forkToSleep() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment stack = arena.allocate(1 << 16, 16); // the child has a copy
      int pid =
          (int)
              CLONE.invokeExact(
                  Pthread.find("sleep"),
                  stack.asSlice(stack.byteSize() - 64),
                  SIGCHLD,
                  MemorySegment.ofAddress(SECONDS));
      assertThat(pid).isPositive();
      return pid;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static void end(int pid) {
    ProcessHandle.of(pid).orElseThrow().destroyForcibly();
    Await.until("the child is reaped", () -> waited(pid) == pid);
  }

  private static int waited(int pid) {
    try {
      return (int) WAIT.invokeExact(pid, MemorySegment.NULL, 1); // WNOHANG
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
