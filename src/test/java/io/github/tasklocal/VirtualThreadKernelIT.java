// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Values of virtual threads, as BPF sees them. */
@KernelTest
class VirtualThreadKernelIT {

  private static final String CONSENT = "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED";

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource
  void javaAndBpfAgreeAfterEachWayToBlock(Wire wire) {
    Jvm.Result result = run(wire, 300, 60, false, List.of(CONSENT));
    assertThat(result.output()).contains("all agree").contains("unseen 0, failures 0");
    assertThat(result.exit()).isZero();
  }

  @Test
  void stackTracesDoNotDisturbThem() {
    Jvm.Result result =
        run(
            Wire.A,
            300,
            60,
            true,
            List.of(
                CONSENT,
                "-Djdk.virtualThreadScheduler.parallelism=8",
                "-Djdk.virtualThreadScheduler.maxPoolSize=64"));
    assertThat(result.output()).contains("all agree").contains("unseen 0, failures 0");
    assertThat(result.exit()).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"plain", "plain-thread"})
  void withoutConsentTheCarriersValuesAreSeenWhichIsSaidOnceAndCounted(String corner) {
    Jvm.Result result = corners(corner, List.of());
    assertThat(result.output())
        .contains("all as it should be, unseen 3")
        .containsOnlyOnce("A virtual thread has used a key")
        .contains("--add-exports java.base/jdk.internal.misc=ALL-UNNAMED");
    assertThat(result.exit()).isZero();
  }

  @Test
  void whoDeclinesIsNotToldAgain() {
    Jvm.Result result = corners("plain", List.of(CONSENT, "-Dtasklocal.virtualThreads=plain"));
    assertThat(result.output())
        .contains("all as it should be, unseen 3")
        .doesNotContain("A virtual thread has used a key");
    assertThat(result.exit()).isZero();
  }

  @Test
  void aVirtualThreadWithATaskOfItsOwnIsAsAPlatformThread() {
    Jvm.Result result =
        corners("bound", List.of("-XX:+UnlockExperimentalVMOptions", "-XX:-VMContinuations"));
    assertThat(result.output()).contains("all as it should be, unseen 0");
    assertThat(result.exit()).isZero();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "pinned",
        "upcall",
        "unpark",
        "interrupt",
        "queue",
        "carrier",
        "inline",
        "first",
        "permit",
        "closed"
      })
  void theFirstUseIsRightWhereTheThreadIsHardToUnmount(String corner) {
    Jvm.Result result =
        corners(
            corner,
            List.of(
                CONSENT,
                "--add-opens=java.base/java.lang=ALL-UNNAMED",
                "-Djdk.virtualThreadScheduler.parallelism=1",
                "-Djdk.virtualThreadScheduler.maxPoolSize=1"));
    assertThat(result.output()).contains("all as it should be, unseen 0");
    assertThat(result.exit()).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"dropped", "earlier", "earlier-there", "behind", "closed"})
  void aThreadThatIsSubmittedTwiceKeepsItsValues(String race) {
    Jvm.Result result =
        Jvm.run(
            Jvm.command(
                List.of(CONSENT, "--add-opens=java.base/java.lang=ALL-UNNAMED"),
                Jvm.join(Jvm.classPath()),
                VirtualRacesChild.class,
                BpfView.compile(folder, Wire.C).toString(),
                race));
    assertThat(result.output()).contains("all as it should be");
    assertThat(result.exit()).isZero();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-Xint",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseZGC",
        "-XX:+UnlockExperimentalVMOptions -XX:+UseCompactObjectHeaders",
        "-Xcheck:jni",
        "-XX:+UnlockExperimentalVMOptions -XX:-VMContinuations"
      })
  void theyFollowWhateverTheOptionsOfTheJvm(String options) {
    List<String> all = new ArrayList<>(List.of(options.split(" ")));
    all.add(CONSENT);
    agree(run(Wire.A, 30, 16, true, all));
  }

  @Test
  void theyFollowInAJvmWithAnAheadOfTimeCache() throws IOException {
    List<Path> jars = new ArrayList<>();
    for (Path each : Jvm.classPath()) {
      jars.add(Files.isDirectory(each) ? jar(each) : each); // the cache is for jars alone
    }
    Path cache = folder.resolve("cache");
    Jvm.Result trained =
        run(Wire.A, 30, 16, true, jars, List.of(CONSENT, "-XX:AOTCacheOutput=" + cache));
    assertThat(trained.output()).contains("all agree");
    assertThat(cache).exists();
    agree(
        run(
            Wire.A,
            30,
            16,
            true,
            jars,
            List.of(CONSENT, "-XX:AOTCache=" + cache, "-XX:AOTMode=on")));
  }

  private Path jar(Path classes) throws IOException {
    Path jar = Files.createTempFile(folder, "classes", ".jar");
    int status =
        ToolProvider.findFirst("jar")
            .orElseThrow()
            .run(
                System.out,
                System.err,
                "--create",
                "--file",
                jar.toString(),
                "-C",
                classes.toString(),
                ".");
    assertThat(status).isZero();
    return jar;
  }

  private static void agree(Jvm.Result result) {
    assertThat(result.output())
        .contains("all agree")
        .contains("unseen 0, failures 0")
        .doesNotContainIgnoringCase("warning");
    assertThat(result.exit()).isZero();
  }

  private Jvm.Result corners(String corner, List<String> options) {
    return Jvm.run(
        Jvm.command(
            new ArrayList<>(options),
            Jvm.join(Jvm.classPath()),
            VirtualCornersChild.class,
            BpfView.compile(folder, Wire.C).toString(),
            corner));
  }

  private Jvm.Result run(Wire wire, int threads, int rounds, boolean traced, List<String> options) {
    return run(wire, threads, rounds, traced, Jvm.classPath(), options);
  }

  private Jvm.Result run(
      Wire wire,
      int threads,
      int rounds,
      boolean traced,
      List<Path> classPath,
      List<String> options) {
    return Jvm.run(
        Jvm.command(
            new ArrayList<>(options),
            Jvm.join(classPath),
            VirtualThreadChild.class,
            BpfView.compile(folder, wire).toString(),
            wire.name(),
            String.valueOf(threads),
            String.valueOf(rounds),
            String.valueOf(new Random().nextInt()),
            String.valueOf(traced)));
  }
}
