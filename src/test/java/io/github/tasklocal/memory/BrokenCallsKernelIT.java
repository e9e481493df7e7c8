// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.FailingKernel.How;
import io.github.tasklocal.memory.Operation.Scene;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Operations that fail half way: in every call, and at every depth of the stack. */
@KernelTest
class BrokenCallsKernelIT {

  /** Held here, or the logger could be collected, and its setting with it. */
  private static final Logger LOGGER = Logger.getLogger("io.github.tasklocal");

  /** EPERM, ESRCH, EAGAIN, ENOMEM, EMFILE. */
  private static final List<Integer> ERRNOS = List.of(1, 3, 11, 12, 24);

  private static final String COMPILED =
      "-XX:CompileCommand=compileonly,io.github.tasklocal.memory.*::*";

  private static final List<Path> FILES = new ArrayList<>();
  private static BpfView one;
  private static BpfView two;
  private static Bpffs bpffs;

  @BeforeAll
  static void load(@TempDir Path folder) throws IOException {
    LOGGER.setUseParentHandlers(false); // it would be full of what the test wants
    one = view(folder, Wire.A);
    two = view(folder, Wire.B);
    bpffs = new Bpffs("rwx------");
  }

  private static BpfView view(Path folder, Wire wire) throws IOException {
    Path each = Files.createDirectory(folder.resolve(wire.name()));
    Path file = BpfView.compile(each, wire);
    FILES.add(file);
    return BpfView.load(file, wire);
  }

  @AfterAll
  static void unload() throws IOException {
    one.close();
    two.close();
    bpffs.close();
    LOGGER.setUseParentHandlers(true);
  }

  @ParameterizedTest
  @EnumSource
  void whicheverCallFailsTheNextAttemptSucceedsAndNothingIsLost(Operation operation)
      throws Exception {
    int calls = run(operation, Integer.MAX_VALUE, How.REFUSED, 0);
    assertThat(calls).as("calls to the kernel").isPositive();
    for (int call = 0; call < calls; call++) {
      for (int errno : ERRNOS) {
        int ignored = run(operation, call, How.REFUSED, errno);
      }
      int ignored = run(operation, call, How.ERROR, 0);
      ignored = run(operation, call, How.ERROR_AFTER, 0);
    }
  }

  @Test
  void aMapThatWasClosedWhileTheKeeperGoesRoundIsLeftAlone() throws Exception {
    try (World world = new World()) {
      World.Person ignored = world.citizen();
      world.open(one);
      OpenMap map = world.map(one);
      world.close(one);
      world.kernel.arm(Integer.MAX_VALUE, How.REFUSED, 0);
      world.maps.tend(map, 10); // its descriptor may be another map's
      assertThat(world.kernel.disarm()).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"-Xint", "-Xcomp"})
  void atWhateverDepthTheStackEndsNothingIsLost(String mode) {
    Jvm.Result result =
        child(StackDepthChild.class, List.of(mode, "-XX:CompileCommand=quiet", COMPILED));
    assertThat(result.output()).contains("all operations at every depth");
    assertThat(result.exit()).isZero();
  }

  @Test
  void inAFullHeapNothingIsLost() {
    Jvm.Result result = child(FullHeapChild.class, List.of("-Xmx20m", "-XX:+UseSerialGC"));
    assertThat(result.output()).contains("all operations in a full heap");
    assertThat(result.exit()).isZero();
  }

  /** It does so at a handle's 128th call, wherever that comes; here at an earlier one. */
  @ParameterizedTest
  @ValueSource(ints = {35, 45, 55, 60})
  void inAFullHeapNothingIsLostWhereTheJdkMakesAFormOfAHandlesOwn(int calls) {
    String threshold = "-Djava.lang.invoke.MethodHandle.CUSTOMIZE_THRESHOLD=" + calls;
    Jvm.Result result =
        child(FullHeapChild.class, List.of("-Xmx20m", "-XX:+UseSerialGC", threshold), "first uses");
    assertThat(result.output()).contains("all operations in a full heap");
    assertThat(result.exit()).isZero();
  }

  @Test
  void aVirtualThreadThatHasTheLockLeavesItsCarrierToNobody() {
    List<String> options =
        List.of(
            "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
            "-Djdk.virtualThreadScheduler.parallelism=1",
            "-Djdk.virtualThreadScheduler.maxPoolSize=1");
    Jvm.Result result = child(PinnedChild.class, options);
    assertThat(result.output()).contains("all operations keep their carrier");
    assertThat(result.exit()).isZero();
  }

  private static Jvm.Result child(Class<?> main, List<String> options, String... more) {
    List<String> arguments =
        List.of(FILES.get(0).toString(), FILES.get(1).toString(), bpffs.path("child").toString());
    return Jvm.run(
        Jvm.command(
            options,
            Jvm.join(Jvm.classPath()),
            main,
            Stream.concat(arguments.stream(), Stream.of(more)).toArray(String[]::new)));
  }

  /** {@return how many calls there were} */
  private static int run(Operation operation, int call, How how, int errno) throws Exception {
    try (Scene scene = new Scene(one, two, bpffs.path("pin"))) {
      operation.prepare(scene);
      scene.world.kernel.arm(call, how, errno);
      boolean isDone = attempt(operation, scene);
      List<String> calls = scene.world.kernel.disarm();
      try {
        if (!isDone || operation.isRepeated()) {
          operation.run(scene);
        }
        scene.check();
      } catch (RuntimeException | Error e) {
        String failed = call < calls.size() ? calls.get(call) : "none";
        fail(
            "%s: call %d (%s of %s), %s %d".formatted(operation, call, failed, calls, how, errno),
            e);
      }
      return calls.size();
    }
  }

  private static boolean attempt(Operation operation, Scene scene) {
    try {
      operation.run(scene);
      return true;
    } catch (KernelException | OutOfMemoryError e) {
      return false; // said so, and nothing has changed
    } catch (AssertionError e) {
      if (e.getCause() instanceof KernelException || e.getCause() instanceof OutOfMemoryError) {
        return false; // in the thread of a worker
      }
      throw e;
    }
  }
}
