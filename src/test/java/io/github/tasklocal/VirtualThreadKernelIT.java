// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.DeniedAccessChild;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
    assertThat(result.output())
        .contains("all agree")
        .contains("unseen 0, failures 0")
        .doesNotContain("read on another carrier 0 ");
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
  @ValueSource(strings = {"pinned", "upcall", "unpark", "interrupt", "queue", "first", "permit"})
  void theFirstUseIsRightWhereverItComes(String corner) {
    onOneCarrier(corner);
  }

  @Test
  void aThreadThatWaitsForAClassInitialiserKeepsItsValue() {
    Jvm.Result result =
        corners("initialiser", List.of(CONSENT, "-Djdk.virtualThreadScheduler.parallelism=4"));
    assertThat(result.output()).contains("all as it should be, unseen 0");
    assertThat(result.exit()).isZero();
  }

  @Test
  void whereTheStackEndsAFirstUseFailsAsACallDoesAndALaterOneFollows() {
    Jvm.Result result = corners("end-of-stack", List.of(CONSENT));
    assertThat(result.output()).contains("all as it should be, unseen 0");
    assertThat(result.exit()).isZero();
  }

  @Test
  void whereNoThreadCanBeStartedValuesArePlainUntilOneCan(@TempDir Path forAll) throws IOException {
    Files.setPosixFilePermissions(forAll, PosixFilePermissions.fromString("rwxr-xr-x"));
    List<String> command = new ArrayList<>(Children.NOBODY);
    command.addAll(
        Jvm.command(
            List.of( // another carrier could not be started
                CONSENT,
                "-Djdk.virtualThreadScheduler.parallelism=1",
                "-Djdk.virtualThreadScheduler.maxPoolSize=1"),
            Children.classPathForAll(forAll),
            VirtualStartChild.class));
    Jvm.Result result = Jvm.run(command);
    assertThat(result.output()).contains("unable to create native thread", "all as it should be");
    assertThat(result.exit()).isZero();
  }

  @Test
  void whereNativeAccessIsDeniedNothingIsDoneAndNoMemoryIsLost() {
    List<String> command =
        Jvm.command(List.of(CONSENT), Children.classPath(), DeniedAccessChild.class);
    Collections.replaceAll(command, "--enable-native-access=ALL-UNNAMED", RuntimeKernelIT.DENIAL);
    assertThat(Jvm.run(command).output())
        .contains("0 pages for a virtual thread\n100 failed, 0 pages more\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"carrier", "inline"})
  void eachThreadShowsItsOwnValuesOnASchedulerOfItsOwn(String corner) {
    onOneCarrier(corner);
  }

  @Test
  void nothingIsLoggedOnACarrier() {
    onOneCarrier("log");
  }

  @ParameterizedTest
  @ValueSource(strings = {"before", "closed"})
  void threadsFollowWhetherAMapIsOpenOrNot(String corner) {
    onOneCarrier(corner);
  }

  private void onOneCarrier(String corner) {
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

  /** Options for a thread on a scheduler of one's own. */
  private static final List<String> OWN_SCHEDULER =
      List.of(CONSENT, "--add-opens=java.base/java.lang=ALL-UNNAMED");

  @Test
  void nobodyElseReachesTheValuesOfAThreadThroughItsCarrier() {
    onOwnScheduler("refused");
  }

  @Test
  void aKeyThatIsMadeWhileAThreadIsMountedStartsAtZero() {
    onOwnScheduler("late");
  }

  @Test
  void aThreadIsRightWhereItsCarrierHasHardlyAnyStackLeft() {
    onOwnScheduler("deep");
  }

  @Test
  void scopesAndUpdatesThatBlockInsideReachTheThreadWhereItGoesOn() {
    onOwnScheduler("inside");
  }

  @Test
  void aValueIsKeptWhoseThreadMeetsTheEndOfTheLastMapOnItsWay() {
    Jvm.Result result = corners("over", OWN_SCHEDULER);
    assertThat(result.output())
        .as("a map that only counts as closed")
        .contains("all as it should be, unseen 1");
    assertThat(result.exit()).isZero();
  }

  @Test
  void aThreadThatIsLeftTakesAsMuchMemoryAsItsValues() {
    onOwnScheduler("little");
  }

  private void onOwnScheduler(String corner) {
    Jvm.Result result = corners(corner, OWN_SCHEDULER);
    assertThat(result.output()).contains("all as it should be, unseen 0");
    assertThat(result.exit()).isZero();
  }

  @Test
  void aSetFromElsewhereReachesAThreadsOwnValueUntilItIsACarrier() {
    Jvm.Result result = corners("becoming", OWN_SCHEDULER);
    assertThat(result.output()).contains("all as it should be");
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
  @CsvSource({"held, 1", "alternating, 8"})
  void aThreadOfWhichAValueIsBoundShowsItsOwnWhichIsSaidOnceAndCounted(String corner, int unseen) {
    Jvm.Result result = corners(corner, OWN_SCHEDULER);
    assertThat(result.output())
        .contains("all as it should be, unseen " + unseen)
        .containsOnlyOnce("A virtual thread has used a key")
        .contains("(bind, NativeThread)");
    assertThat(result.exit()).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"full-heap", "full-heap-first"})
  void withoutMemoryForWhatShowsItAThreadRunsOn(String corner) {
    List<String> options = new ArrayList<>(OWN_SCHEDULER);
    options.addAll(List.of("-Xmx20m", "-XX:+UseSerialGC"));
    Jvm.Result result = corners(corner, options);
    assertThat(result.output()).contains("out of memory").contains("all as it should be");
    assertThat(result.exit()).isZero();
  }

  @ParameterizedTest
  @ValueSource(ints = {4096, 256})
  void mapsOfAllWiresComeAndGoWhileThreadsAreMounted(int slot) {
    List<String> options =
        new ArrayList<>(List.of(CONSENT, "-Djdk.virtualThreadScheduler.parallelism=4"));
    List<String> arguments = new ArrayList<>(List.of(String.valueOf(new Random().nextInt())));
    for (Wire wire : Wire.values()) {
      if (slot == 4096 || wire != Wire.B) { // which has no slots
        arguments.addAll(List.of(wire.name(), compiled(wire)));
      }
    }
    if (slot != 4096) {
      options.add("-Dtasklocal.slotBytes=" + slot);
    }
    Jvm.Result result =
        Jvm.run(
            Jvm.command(
                options,
                Jvm.join(Jvm.classPath()),
                VirtualMapsChild.class,
                arguments.toArray(String[]::new)));
    assertThat(result.output()).contains("all agree");
    assertThat(result.exit()).isZero();
  }

  private String compiled(Wire wire) {
    try {
      return BpfView.compile(Files.createDirectory(folder.resolve(wire.name())), wire).toString();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @ParameterizedTest
  @CsvSource({"found, 2, 1", "merged, 1, 1", "relocated, 1, 1", "closed, 1, 1"})
  void copiesOfTheLibraryLeaveAThreadToTheFirst(String what, int unseen, int said) {
    copies(what, unseen, said);
  }

  @Test
  void aThreadOfACopyThatGoesKeepsItsValuesAndNotTheCopysClasses() {
    copies("unloaded", 0, 0);
  }

  @Test
  void exchangesOfTwoCopiesOnOneCarrierHaveNumbersOfTheirOwn() {
    copies("numbers", 0, 0);
  }

  private void copies(String what, int unseen, int said) {
    Jvm.Result result =
        Jvm.run(
            Jvm.command(
                OWN_SCHEDULER,
                Jvm.join(Jvm.classPath()),
                VirtualCopiesChild.class,
                compiled(Wire.C),
                what));
    assertThat(result.output()).contains("all as it should be, unseen " + unseen);
    assertThat(result.output().split("another copy of this library", -1)).hasSize(said + 1);
    assertThat(result.exit()).isZero();
  }

  /** The names have as many letters as before, so that the class file stays valid. */
  @ParameterizedTest
  @ValueSource(
      strings = {"runContinuation", "blockPermit", "yieldContinuation", "UNBLOCKED", "PARKED"})
  void whereTheJdkHasAnotherNameValuesArePlainWhichIsSaidOnce(String name) throws IOException {
    List<String> options = new ArrayList<>(List.of(CONSENT, renamed(name)));
    Jvm.Result result = corners("plain", options);
    assertThat(result.output())
        .contains("all as it should be, unseen 3")
        .containsOnlyOnce("A virtual thread has used a key")
        .contains("this JDK is not as it was tested")
        .contains(name.substring(0, name.length() - 1))
        .doesNotContain("--add-exports");
    assertThat(result.exit()).isZero();
    options.removeFirst();
    assertThat(corners("plain", options).output())
        .as("without consent, which would not help")
        .contains("this JDK is not as it was tested")
        .doesNotContain("--add-exports");
  }

  /** {@return the option for a JDK whose virtual threads have something of another name} */
  private String renamed(String name) throws IOException {
    byte[] type;
    try (InputStream stream = Thread.class.getResourceAsStream("VirtualThread.class")) {
      type = Objects.requireNonNull(stream).readAllBytes();
    }
    // A constant of the class file: its kind, how many bytes, and these.
    String constants = new String(type, ISO_8859_1);
    String before = "\1\0" + (char) name.length() + name;
    assertThat(constants).contains(before);
    String after = before.substring(0, before.length() - 1) + "_";
    Path patch = Files.createDirectories(folder.resolve("patch/java/lang"));
    Files.write(
        patch.resolve("VirtualThread.class"),
        constants.replace(before, after).getBytes(ISO_8859_1));
    return "--patch-module=java.base=" + folder.resolve("patch");
  }

  @ParameterizedTest
  @ValueSource(strings = {"-", "+"})
  void aThreadInAConstantIsUnparkedFromCompiledCode(String trusted) {
    Jvm.Result result =
        corners(
            "constant",
            List.of(
                CONSENT,
                "-XX:+UnlockExperimentalVMOptions",
                "-XX:" + trusted + "TrustFinalNonStaticFields"));
    assertThat(result.output()).contains("all as it should be, unseen 0");
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
