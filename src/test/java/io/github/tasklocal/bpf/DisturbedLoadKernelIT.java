// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Children;
import io.github.tasklocal.Clang;
import io.github.tasklocal.error.ObjectLoadException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Objects that are loaded in a process which is disturbed, or at the end of the stack. */
@KernelTest
class DisturbedLoadKernelIT {

  private static final int SIGCONT = 18;
  private static final int SIGSTOP = 19;

  /** Less than the verifier needs, so that it is stopped at each of libbpf's tries. */
  private static final long PAUSE_NANOSECONDS = 10_000_000;

  @Test
  void aProfilersSignalsDisturbNeitherLoadsNorTheRest(@TempDir Path folder) {
    Path file = Clang.compile(folder, "object");
    Path lengthy = Clang.compile(folder, "lengthy", "-DROUNDS=20000");
    Jvm.Result child =
        Jvm.run(
            Children.mainCommand(
                DisturbedChild.class, List.of(), "profiled", file.toString(), lengthy.toString()));
    assertThat(child.output()).contains("not disturbed\n");
    assertThat(child.exit()).isZero();
  }

  @Test
  void aLoadThatIsStoppedAgainAndAgainIsNotSaidToBeRefused(@TempDir Path folder) throws Throwable {
    Path lengthy = Clang.compile(folder, "lengthy", "-DROUNDS=50000");
    MethodHandle kill = kill();
    Process child =
        Jvm.start(
            Children.mainCommand(DisturbedChild.class, List.of(), "stopped", lengthy.toString()));
    int pid = Math.toIntExact(child.pid());
    Thread disturbance =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  while (child.isAlive()) {
                    stopAndContinue(kill, pid);
                  }
                });
    String output = Jvm.end(child).output();
    assertThat(output).contains("lengthy").doesNotContain("refused");
    // The kernel says the second if there was time to fill the log.
    assertThat(output)
        .satisfiesAnyOf(
            it -> assertThat(it).contains("KernelException: ", "EAGAIN", "not verified to its end"),
            it -> assertThat(it).contains("ObjectLoadException: ", "ENOSPC", "hides the reason"));
    assertThat(Await.ended(disturbance)).isTrue();
  }

  @Test
  void aLogThatIsTooLongIsSaidToHideTheReason(@TempDir Path folder) {
    Path wrong = Clang.compile(folder, "lengthy", "-DROUNDS=50000", "-DWRONG");
    try (BpfObject object = BpfObject.open(wrong)) {
      assertThatThrownBy(object::load)
          .isInstanceOfSatisfying(
              ObjectLoadException.class,
              e -> {
                assertThat(e).hasMessageContainingAll("lengthy", "ENOSPC", "hides the reason");
                assertThat(e.log()).contains("BEGIN PROG LOAD LOG");
              });
    }
  }

  private static void stopAndContinue(MethodHandle kill, int pid) {
    try {
      int ignored = (int) kill.invokeExact(pid, SIGSTOP);
      ignored = (int) kill.invokeExact(pid, SIGCONT);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    LockSupport.parkNanos(PAUSE_NANOSECONDS);
  }

  @SuppressWarnings("restricted")
  private static MethodHandle kill() {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().find("kill").orElseThrow(),
        FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
  }

  @Test
  void theEndOfTheStackEndsAnOperationAndNothingElse(@TempDir Path folder) throws IOException {
    Path file = Clang.compile(folder, "object");
    Path refused = Clang.compile(folder, "refused");
    try (Bpffs bpffs = new Bpffs("rwxrwxrwx")) {
      Jvm.Result child =
          Jvm.run(
              Children.mainCommand(
                  StackEndChild.class,
                  List.of(),
                  file.toString(),
                  refused.toString(),
                  bpffs.path("counts").toString()));
      assertThat(child.output()).contains("at every depth; ");
      assertThat(child.exit()).isZero();
    }
  }
}
