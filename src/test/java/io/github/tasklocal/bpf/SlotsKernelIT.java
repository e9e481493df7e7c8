// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.Clang;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Each call of the header, through slots, as on kernels without uptrs. */
@KernelTest
class SlotsKernelIT {

  private static final int ENOENT = 2;
  private static final int EAGAIN = 11;

  private static final String LONGEST =
      "a.name.of.61.bytes.which.is.as.long.as.a.key.can.be.123456789";

  private static final int FIRST = 3;
  private static final int SECOND = 16_383;
  private static final int PAGE = 7;

  @TempDir Path folder;

  private Slots slots;

  @AfterEach
  void close() {
    if (slots != null) {
      slots.close();
    }
  }

  private MemorySegment begin(Wire wire) {
    slots = Slots.load(folder, "slots", wire);
    slots.give(FIRST);
    slots.key(FIRST, 0, "other", 16);
    slots.key(FIRST, 1, "record", 24);
    slots.key(FIRST, 2, "number", 56);
    slots.key(FIRST, 3, "last", 4092);
    MemorySegment page = slots.page(FIRST, PAGE);
    page.set(JAVA_INT, 56, 42);
    page.set(JAVA_INT, 4092, 99);
    page.set(JAVA_LONG, 32, 1234);
    slots.mark(page, Slots.START, 0);
    return page;
  }

  private int look() {
    return slots.run("look");
  }

  @ParameterizedTest
  @EnumSource
  void aThreadsValuesAreFoundWrittenAndForgotten(Wire wire) {
    MemorySegment page = begin(wire);
    assertThat(look()).isEqualTo(1);
    assertThat(slots.get("init")).isEqualTo(-ENOENT);

    slots.enter(FIRST, PAGE, Slots.START, FIRST);
    slots.set("next", 43);
    assertThat(look()).isZero();
    assertThat(slots.get("number")).isEqualTo(42);
    assertThat(slots.get("last")).isEqualTo(99);
    assertThat(slots.get("late")).isEqualTo(-1);
    assertThat(page.get(JAVA_INT, 56)).isEqualTo(43);

    assertThat(slots.run("forget")).isZero();
    assertThat(look()).isEqualTo(1);
    assertThat(slots.get("init")).isEqualTo(-ENOENT);
  }

  @ParameterizedTest
  @EnumSource
  void keysThatAreMadeLaterAreFoundUpToTheLast(Wire wire) {
    MemorySegment page = begin(wire);
    slots.enter(FIRST, PAGE, Slots.START, FIRST);
    assertThat(look()).isZero();
    assertThat(slots.get("longest")).isEqualTo(-1);
    for (int i = 4; i < 62; i++) {
      slots.key(FIRST, i, "made.later." + i, 64);
      assertThat(look()).isZero();
      assertThat(slots.get("late")).isEqualTo(-1);
    }
    slots.key(FIRST, 62, LONGEST, 72);
    page.set(JAVA_INT, 72, 7);
    assertThat(look()).isZero();
    assertThat(slots.get("longest")).isEqualTo(7);
    slots.key(FIRST, 63, "made.late", 80);
    page.set(JAVA_INT, 80, 8);
    assertThat(look()).isZero();
    assertThat(slots.get("late")).isEqualTo(8);
  }

  @ParameterizedTest
  @EnumSource
  void aKeyIsLookedForAnewWhenItsProgramSaysSo(Wire wire) {
    MemorySegment page = begin(wire);
    slots.enter(FIRST, PAGE, Slots.START, FIRST);
    assertThat(look()).isZero();
    slots.key(FIRST, 0, "number", 64);
    page.set(JAVA_INT, 64, 5);
    assertThat(look()).isZero();
    assertThat(slots.get("number")).isEqualTo(42);
    assertThat(slots.run("learn")).isZero();
    assertThat(slots.get("found")).isZero();
    assertThat(look()).isZero();
    assertThat(slots.get("number")).isEqualTo(5);
  }

  @ParameterizedTest
  @EnumSource
  void largeValuesAreCopiedWholeOrNotAtAll(Wire wire) {
    MemorySegment page = begin(wire);
    slots.enter(FIRST, PAGE, Slots.START, FIRST);
    assertThat(look()).isZero();
    assertThat(slots.get("checked")).isZero();
    assertThat(slots.object().global("copy").get(JAVA_LONG, 8)).isEqualTo(1234);
    assertThat(slots.get("retry")).isZero();

    page.set(JAVA_INT, 24, 1); // the thread is writing the record
    assertThat(look()).isZero();
    assertThat(slots.get("checked")).isEqualTo(-EAGAIN);
    page.set(JAVA_INT, 24, 2);

    slots.mark(page, Slots.START, 5); // the process is exchanging the page's values
    assertThat(look()).isZero();
    assertThat(slots.get("begun")).isEqualTo(5);
    assertThat(slots.get("checked")).isEqualTo(-EAGAIN);
    assertThat(slots.get("retry")).isNotZero();
    slots.mark(page, Slots.START, 6);
    assertThat(look()).isZero();
    assertThat(slots.get("begun")).isEqualTo(6);
    assertThat(slots.get("checked")).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void valuesMayLieInAnotherArrayThanKeysAndWithinAPage(Wire wire) {
    MemorySegment ignored = begin(wire);
    slots.give(SECOND);
    MemorySegment page = slots.page(SECOND, 63);
    slots.enter(SECOND, 63, 2048 + Slots.START, FIRST);
    page.set(JAVA_INT, 2048 + 56, 77);
    slots.mark(page, 2048 + Slots.START, 4);
    assertThat(look()).isZero();
    assertThat(slots.get("number")).isEqualTo(77);
    assertThat(slots.get("begun")).isEqualTo(4);
    assertThat(slots.get("last")).as("beyond the page").isEqualTo(-1);
  }

  @ParameterizedTest
  @EnumSource
  void threadsSeeTheirOwnPageAndNothingOnceTheirArrayIsGone(Wire wire) throws InterruptedException {
    MemorySegment page = begin(wire);
    slots.enter(FIRST, PAGE, Slots.START, FIRST);
    Thread other =
        new Thread(
            () -> {
              assertThat(look()).isEqualTo(1);
              slots.enter(FIRST, PAGE + 1, Slots.START, FIRST);
              slots.page(FIRST, PAGE + 1).set(JAVA_INT, 56, 43);
              assertThat(look()).isZero();
              assertThat(slots.get("number")).isEqualTo(43);
            });
    Throwable[] failure = new Throwable[1];
    other.setUncaughtExceptionHandler((thread, thrown) -> failure[0] = thrown);
    other.start();
    other.join();
    assertThat(failure[0]).isNull();
    assertThat(look()).isZero();
    assertThat(slots.get("number")).isEqualTo(42);

    slots.take(FIRST);
    assertThat(look()).isEqualTo(1);
    assertThat(slots.get("init")).isEqualTo(-ENOENT);
    assertThat(page.get(JAVA_INT, 56)).isEqualTo(42);
  }

  @ParameterizedTest
  @EnumSource
  void entriesThatMakeNoSenseShowNothing(Wire wire) {
    MemorySegment page = begin(wire);
    slots.enter(FIRST, 64, Slots.START, FIRST);
    assertThat(look()).isEqualTo(1);
    slots.enter(20_000, PAGE, Slots.START, FIRST);
    assertThat(look()).isEqualTo(1);
    slots.enter(FIRST, PAGE, Slots.START, 20_000);
    assertThat(look()).isZero();
    assertThat(slots.get("number")).isEqualTo(-1);
    slots.enter(FIRST, PAGE, 0, FIRST);
    assertThat(look()).isZero();
    slots.enter(FIRST, PAGE, 0xffff, FIRST);
    assertThat(slots.run("learn")).isZero();
    assertThat(slots.get("found")).isEqualTo(-ENOENT);
    assertThat(look()).isZero();
    assertThat(slots.get("number")).isEqualTo(-1);
    assertThat(page.get(JAVA_INT, 56)).isEqualTo(42);
  }

  @ParameterizedTest
  @EnumSource
  void theVerifierWalksLittle(Wire wire) throws IOException {
    Path file = Clang.compile(folder, "look_ups", "-DTLD_SLOTS", "-DTLD_WIRE=TLD_WIRE_" + wire);
    try (BpfObject object = BpfObject.load(file)) {
      assertThat(object.programs()).hasSize(1);
      assertThat(verified()).as("24 look-ups of up to 64 keys").isBetween(1L, 100_000L);
    }
  }

  /** {@return how many instructions the verifier walked through for this process's programs} */
  private static long verified() throws IOException {
    long sum = 0;
    try (DirectoryStream<Path> descriptors =
        Files.newDirectoryStream(Path.of("/proc/self/fdinfo"))) {
      for (Path each : descriptors) {
        for (String line : Files.exists(each) ? Files.readAllLines(each) : List.<String>of()) {
          if (line.startsWith("verified_insns:")) {
            sum += Long.parseLong(line.substring(line.indexOf(':') + 1).strip());
          }
        }
      }
    }
    return sum;
  }
}
