// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.PinnedMap.PinDirectory;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code hints}, beside a program that reads hints as scx_layered does. */
@KernelTest
class HintsKernelIT {

  private static final TaskLocal.OfInt KEY = TaskLocal.of("hints.priority", ValueLayout.JAVA_INT);

  /** Values with their hints, one without, and the hint of that. */
  private static final int[][] HINTS = {{7, 1}, {3, 2}, {-1, 1024}, {99, -1}, {0, 0}};

  private PinDirectory directory;
  private Path pin;

  @BeforeEach
  void begin() throws IOException {
    directory = new PinDirectory();
    pin = directory.path("layered");
  }

  @AfterEach
  void end() throws IOException {
    KEY.set(99);
    directory.close();
  }

  /** {@return a reader of this thread's hints} */
  private BpfObject reader() throws IOException {
    BpfObject reader =
        BpfObject.open(
            Path.of(System.getProperty("basedir"), "..", "target", "bpf", "hint_reader.bpf.o"));
    reader.map("scx_layered_task_hint_map").pinPath(pin);
    reader.global("thread").set(JAVA_INT, 0, thread());
    reader.global("hint").set(JAVA_LONG, 0, -1);
    reader.load();
    reader.program("switched").attach();
    reader.program("charged").attach();
    return reader;
  }

  /** {@return this thread's id in the kernel} */
  private static int thread() throws IOException {
    Path self = Files.readSymbolicLink(Path.of("/proc/thread-self"));
    return Integer.parseInt(self.getFileName().toString());
  }

  private TopProcess hints(Path map) throws IOException {
    return hints(map, counts -> counts.getLong("hints") == 0);
  }

  private TopProcess hints(Path map, Predicate<JsonObject> ready) throws IOException {
    TopProcess hints =
        new TopProcess(
            "hints",
            "--json",
            "--pin",
            map,
            "--key",
            "hints.priority:int",
            "--layered",
            pin,
            "--map",
            "7=1,3=2,-1=1024,0=0");
    try {
      hints.awaitJson("its first counts", ready);
      return hints;
    } catch (IOException | Error e) {
      hints.close();
      throw e;
    }
  }

  private static long hint(BpfObject reader) {
    return reader.global("hint").get(JAVA_LONG, 0);
  }

  /** Waits until this thread gets a processor with a hint. */
  private static void await(BpfObject reader, long hint) {
    Await.until(
        "the hint " + hint,
        () -> {
          Busy.rest(1);
          return hint(reader);
        },
        seen -> seen == hint);
  }

  @ParameterizedTest
  @EnumSource
  void aThreadWakesUpWithTheHintOfItsValue(Wire wire) throws Exception {
    try (PinnedMap map = new PinnedMap(wire);
        TaskLocalMap _ = TaskLocalMap.open(map.pin(), wire);
        BpfObject reader = reader();
        TopProcess hints = hints(map.pin())) {
      KEY.set(7);
      await(reader, 1); // it is registered, and met
      int late = 0;
      for (int i = 0; i < 200; i++) {
        int[] each = HINTS[i % HINTS.length];
        KEY.set(each[0]);
        Busy.rest(1);
        // On a busy machine the time may be over before it has left its processor.
        if (hint(reader) != each[1]) {
          late++;
          await(reader, each[1]);
        }
      }
      assertThat(late).as("of 200 hints that came after more than one wake-up").isLessThan(40);
      KEY.set(3);
      await(reader, 2);
      assertThat(hints.end("INT").getLast()).contains("\"hints_without_room\":0");
      await(reader, -1); // it has taken back what it gave
    }
  }

  @Test
  void aThreadThatNeverWaitsGetsItsHintWhileItRuns() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        TaskLocalMap _ = TaskLocalMap.open(map.pin(), Wire.C);
        BpfObject reader = reader();
        TopProcess _ = hints(map.pin())) {
      KEY.set(7);
      await(reader, 1);
      long[] nanos = new long[40];
      for (int i = 0; i < nanos.length; i++) {
        int[] each = HINTS[(i + 1) % 2];
        while (hint(reader) == each[1]) {
          Thread.onSpinWait();
        }
        long start = System.nanoTime();
        KEY.set(each[0]);
        while (hint(reader) != each[1]) {
          Thread.onSpinWait();
        }
        nanos[i] = reader.global("at").get(JAVA_LONG, 0) - start;
      }
      Arrays.sort(nanos);
      System.out.printf(
          "from store to hint of a thread that runs: %d us in the median%n",
          nanos[nanos.length / 2] / 1000);
    }
  }

  /** As scx_layered is started and ended. */
  @Test
  void eitherSideMayBeFirstAndMayMakeItsMapAnew() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        TaskLocalMap _ = TaskLocalMap.open(map.pin(), Wire.C);
        TopProcess hints = hints(map.pin())) {
      KEY.set(7);
      try (BpfObject reader = reader()) {
        await(reader, 1);
      }
      KEY.set(3);
      try (BpfObject reader = reader()) {
        await(reader, 2); // in the map that was pinned already
      }
      Files.delete(pin);
      try (BpfObject reader = reader()) {
        await(reader, 2); // in a new one
      }
      assertThat(hints.isAlive()).isTrue();
    }
  }

  /** A run that was killed could not take its hints back. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void theNextRunTakesOverWhatAKilledOneHasLeft(boolean hasEntry) throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        BpfObject reader = reader()) {
      try (TaskLocalMap _ = TaskLocalMap.open(map.pin(), Wire.C)) {
        try (TopProcess hints = hints(map.pin())) {
          KEY.set(7);
          await(reader, 1);
          kill(hints);
        }
        KEY.set(99); // which has no hint
        if (hasEntry) {
          nextRunTakesOver(map, reader);
        }
      }
      if (!hasEntry) {
        nextRunTakesOver(map, reader);
      }
    }
  }

  private void nextRunTakesOver(PinnedMap map, BpfObject reader) throws Exception {
    Busy.rest(1);
    assertThat(hint(reader)).isEqualTo(1);
    try (TopProcess hints = hints(map.pin(), counts -> true)) {
      await(reader, -1);
      assertThat(hints.end("INT").getLast()).contains("\"hints_without_room\":0");
    }
  }

  private static void kill(TopProcess hints) throws IOException {
    hints.signal("KILL");
    Await.until("its end", () -> !hints.isAlive());
  }

  /** Such as what another program writes. */
  @Test
  void hintsWithOtherNumbersAreLeftAlone() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        TaskLocalMap _ = TaskLocalMap.open(map.pin(), Wire.C);
        BpfObject reader = reader()) {
      try (TopProcess hints =
          new TopProcess(
              "hints",
              "--json",
              "--pin",
              map.pin(),
              "--key",
              "hints.priority:int",
              "--layered",
              pin,
              "--map",
              "7=5")) {
        hints.line();
        KEY.set(7);
        await(reader, 5);
        kill(hints);
      }
      KEY.set(99);
      try (TopProcess hints = hints(map.pin())) {
        Busy.rest(1);
        assertThat(hint(reader)).isEqualTo(5);
        assertThat(hints.end("INT").getLast()).contains("\"hints_without_room\":0");
      }
      Busy.rest(1);
      assertThat(hint(reader)).isEqualTo(5);
    }
  }

  @Test
  void whatItGaveIsTakenBackThoughItsReaderIsGone() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        TaskLocalMap _ = TaskLocalMap.open(map.pin(), Wire.C);
        BpfObject reader = reader();
        TopProcess hints = hints(map.pin())) {
      KEY.set(7);
      await(reader, 1);
      assertThat(hints.leave()).isEqualTo(1);
      await(reader, -1);
    }
  }

  @Test
  void aPinOfAnotherFormIsLeftAlone() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C)) {
      Object before = Files.getAttribute(map.pin(), "unix:ino");
      Command command =
          Command.run(
              "hints",
              "--pin",
              map.pin(),
              "--key",
              "k:int",
              "--layered",
              map.pin(),
              "--map",
              "7=1");
      assertThat(command.exit()).isEqualTo(1);
      assertThat(command.err()).contains("is no map of scx_layered's hints");
      assertThat(Files.getAttribute(map.pin(), "unix:ino")).isEqualTo(before);
      try (Stream<Path> pins = Files.list(map.pin().getParent())) {
        assertThat(pins).containsExactly(map.pin());
      }
    }
  }

  @Test
  void whatIsNoHintIsRefused() throws Exception {
    for (String wrong : new String[] {"7=1025", "7=-1", "x=1", "4294967296=1"}) {
      Command command = Command.run("hints", "--key", "k:int", "--layered", pin, "--map", wrong);
      assertThat(command.exit()).as(wrong).isEqualTo(2);
    }
    Command untyped = Command.run("hints", "--key", "k", "--layered", pin, "--map", "7=1");
    assertThat(untyped.err()).contains("name a type");
    Command elsewhere =
        Command.run("hints", "--key", "k:int", "--layered", "/tmp/hints", "--map", "7=1");
    assertThat(elsewhere.exit()).isEqualTo(1);
    assertThat(elsewhere.err()).contains("is not on a bpffs");
    assertThat(pin).doesNotExist();
  }
}
