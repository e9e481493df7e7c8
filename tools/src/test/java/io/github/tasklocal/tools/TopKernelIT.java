// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.Wire;
import java.io.IOException;
import java.io.Reader;
import java.io.StringReader;
import java.io.Writer;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

/** {@code top} beside threads of this process that have known values for known times. */
@KernelTest
class TopKernelIT {

  private static final TaskLocal.OfInt INT = TaskLocal.of("top.int", ValueLayout.JAVA_INT);
  private static final TaskLocal.OfLong LONG = TaskLocal.of("top.long", ValueLayout.JAVA_LONG);
  private static final TaskLocal.OfDouble DOUBLE =
      TaskLocal.of("top.double", ValueLayout.JAVA_DOUBLE);
  private static final TaskLocal.OfBoolean BOOLEAN =
      TaskLocal.of("top.boolean", ValueLayout.JAVA_BOOLEAN);
  private static final TaskLocal.OfSegment TEXT =
      TaskLocal.of("top.text", MemoryLayout.sequenceLayout(20, ValueLayout.JAVA_BYTE));

  /** Of a share of 0.75, from the 3000 samples of 3 seconds of a processor's time. */
  private static final double FOUR_SIGMA = 4 * Math.sqrt(2 * 0.75 * 0.25 / 3000);

  private static final long MILLIS_500 = 500_000_000;

  private static final String PID = String.valueOf(ProcessHandle.current().pid());

  private final Busy busy = new Busy();
  private PinnedMap pinned;
  private TaskLocalMap map;

  private void share(Wire wire) throws IOException {
    pinned = new PinnedMap(wire);
    map = TaskLocalMap.open(pinned.pin(), wire);
  }

  @AfterEach
  void stop() throws Exception {
    busy.close();
    if (map != null) {
      map.close();
    }
    if (pinned != null) {
      pinned.close();
    }
  }

  private Command top(String key, Object... more) {
    List<Object> command = new ArrayList<>(List.of("top", "--pin", pinned.pin(), "--key", key));
    command.addAll(List.of("--pid", PID));
    command.addAll(List.of(more));
    return Command.run(command.toArray());
  }

  private JsonObject once(String key, double seconds) {
    Command command = top(key, "--once", "--json", "--interval", seconds);
    assertThat(command.err()).isEmpty();
    return command.json();
  }

  private static Map<String, JsonObject> rows(JsonObject interval) {
    Map<String, JsonObject> rows = new TreeMap<>();
    JsonArray array = interval.getArray("rows");
    for (int i = 0; i < array.size(); i++) {
      rows.put(array.getObject(i).getString("text"), array.getObject(i));
    }
    return rows;
  }

  /** A row's time as a part of that of some rows together. */
  private static double part(Map<String, Map<String, Long>> rows, String value, String... of) {
    double all = 0;
    for (String each : of) {
      all += rows.get(each).get("time_ns");
    }
    return rows.get(value).get("time_ns") / all;
  }

  private TopProcess process(String key) throws IOException {
    return new TopProcess(
        "top", "--pin", pinned.pin(), "--key", key, "--pid", PID, "--json", "--interval", 0.2);
  }

  @ParameterizedTest
  @EnumSource
  void threadsThatSpinHaveTheSharesTheyHave(Wire wire) throws Exception {
    share(wire);
    INT.set(0);
    TopProcess top = process("top.int:int");
    for (int value : new int[] {1, 1, 2}) {
      busy.once(
          () -> {
            INT.set(value);
            Busy.work(MILLIS_500);
          });
    }
    busy.close();
    Map<String, Map<String, Long>> sums = top.sums();
    double one = sums.get("1").get("time_ns");
    assertThat(one / (one + sums.get("2").get("time_ns"))).isCloseTo(2 / 3.0, within(0.05 * 2 / 3));
    assertThat(one).isCloseTo(2.0 * MILLIS_500, within(0.15 * MILLIS_500));
  }

  @Test
  void theTimeOfAllRowsIsWhatProcSays() throws Exception {
    share(Wire.C);
    busy.spin(() -> INT.set(1));
    busy.spin(() -> {}); // no key
    JsonObject interval = once("top.int:int", 2);
    JsonObject processes = interval.getObject("processes");
    assertThat(processes.getInt("count")).isEqualTo(1);
    double proc = processes.getLong("proc_ns");
    assertThat(proc).isGreaterThan(1e9);
    assertThat(processes.getLong("counted_ns") / proc).isCloseTo(1, within(0.03));
    assertThat(interval.getLong("time_ns") / proc).isCloseTo(1, within(0.03));
    assertThat(rows(interval)).containsKeys("1", "(no entry)");
  }

  @Test
  void valuesThatChangeWithoutASwitchAreTold() throws Exception {
    share(Wire.C);
    INT.set(0);
    TopProcess top = process("top.int");
    busy.once(
        () -> {
          for (int i = 0; i < 800; i++) {
            INT.set(1);
            Busy.work(3_000_000);
            INT.set(2);
            Busy.work(1_000_000);
          }
        });
    busy.close();
    Map<String, Map<String, Long>> sums = top.sums();
    assertThat(part(sums, "1", "1", "2")).isCloseTo(0.75, within(FOUR_SIGMA));
  }

  @Test
  void valuesOfShortTasksThatAreResetBeforeTheThreadWaitsAreTold() throws Exception {
    share(Wire.C);
    INT.set(0);
    TopProcess top = process("top.int");
    for (int i = 0; i < 2; i++) {
      busy.once(
          () -> {
            for (int j = 0; j < 2000; j++) {
              // At each switch of its own will the value is 0.
              INT.with(7).run(() -> Busy.work(750_000));
              INT.with(8).run(() -> Busy.work(250_000));
              Busy.sleep(1);
            }
          });
    }
    busy.close();
    Map<String, Map<String, Long>> sums = top.sums();
    assertThat(part(sums, "7", "7", "8")).isCloseTo(0.75, within(FOUR_SIGMA));
    assertThat(part(sums, "0", "0", "7", "8")).isLessThan(0.1);
    assertThat(sums.get("0").get("voluntary")).isGreaterThan(3900);
  }

  @Test
  void runsAndSwitchesAreThoseOfTheKernel() throws Exception {
    share(Wire.C);
    INT.set(0);
    busy.spin(() -> INT.set(1)); // makes the other wait
    busy.spin(() -> INT.set(1));
    TopProcess top = process("top.int");
    long[] counts = new long[4];
    Thread worker =
        new Thread(
            () -> {
              counts(); // the first takes longer
              long[] before = counts();
              INT.set(5);
              for (int i = 0; i < 500; i++) {
                Busy.work(300_000);
                Busy.sleep(1);
              }
              INT.set(0);
              long[] after = counts();
              for (int i = 0; i < counts.length; i++) {
                counts[i] = after[i] - before[i];
              }
            });
    worker.start();
    worker.join();
    Map<String, Long> row = top.sums().get("5");
    List<String> figures = List.of("voluntary", "involuntary", "runs", "wait_ns");
    // To read the kernel's takes a while, too, in which the thread may have to leave.
    for (int i = 0; i < 3; i++) {
      assertThat((double) row.get(figures.get(i)))
          .as(figures.get(i))
          .isCloseTo(counts[i], within(counts[i] * 0.03 + 25));
    }
    // The kernel takes its times a little earlier or later than the tracepoints.
    assertThat((double) row.get("wait_ns"))
        .isCloseTo(counts[3], within(counts[3] * 0.05 + 10_000 * counts[2] + 20_000_000));
  }

  /** {@return the kernel's: switches of both kinds, runs, nanoseconds in the queue} */
  private static long[] counts() {
    try {
      Path task = Path.of("/proc/thread-self");
      long[] counts = new long[4];
      for (String line : Files.readAllLines(task.resolve("status"))) {
        String[] word = line.split("\\s+");
        switch (word[0]) {
          case "voluntary_ctxt_switches:" -> counts[0] = Long.parseLong(word[1]);
          case "nonvoluntary_ctxt_switches:" -> counts[1] = Long.parseLong(word[1]);
          default -> {}
        }
      }
      String[] schedstat = Files.readString(task.resolve("schedstat")).strip().split(" ");
      counts[2] = Long.parseLong(schedstat[2]);
      counts[3] = Long.parseLong(schedstat[1]);
      return counts;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @EnumSource
  void textsAreRowsUpToTheirEnd(Wire wire) throws Exception {
    share(wire);
    busy.spin(() -> text("acme", "acme-corporation 20b"));
    busy.spin(() -> text("acme", "was longer once"));
    busy.spin(() -> text("exactly 20 bytes wow", ""));
    busy.spin(() -> text("two\nlines\u001b[31m", ""));
    busy.spin(() -> text("", "x"));
    Map<String, JsonObject> rows = rows(once("top.text:string", 1));
    assertThat(rows)
        .containsKeys("\"acme\"", "\"exactly 20 bytes wow\"", "\"two\\nlines\\u001b[31m\"", "\"\"");
    assertThat(rows.get("\"acme\"").getString("value")).isEqualTo("acme");
    assertThat(rows.get("\"acme\"").getInt("threads")).isEqualTo(2);
  }

  /** A text, over what was there before. */
  private static void text(String text, String before) {
    MemorySegment value = TEXT.segment();
    value.asSlice(0, before.length()).copyFrom(MemorySegment.ofArray(before.getBytes()));
    if (text.length() < value.byteSize()) {
      value.setString(0, text);
    } else {
      value.copyFrom(MemorySegment.ofArray(text.getBytes()));
    }
  }

  @Test
  void numbersOfAllKindsAreShownAsTheyAre() throws Exception {
    share(Wire.C);
    Runnable set =
        () -> {
          INT.set(-1);
          LONG.set(Long.MIN_VALUE);
          DOUBLE.set(-0.25);
          BOOLEAN.set(true);
        };
    busy.spin(set);
    assertThat(rows(once("top.int", 0.2))).containsKey("-1");
    assertThat(rows(once("top.int:uint", 0.2))).containsKey("4294967295");
    assertThat(rows(once("top.long", 0.2))).containsKey("-9223372036854775808");
    assertThat(rows(once("top.double:double", 0.2))).containsKey("-0.25");
    assertThat(rows(once("top.boolean:boolean", 0.2))).containsKey("true");
    assertThat(rows(once("top.int:bytes", 0.2))).containsKey("ffffffff");
    assertThat(rows(once("top.int:long", 0.2))).containsKey("(4 bytes, no long)");
    assertThat(rows(once("top.nowhere", 0.2))).containsKey("(no key)");
  }

  @Test
  void thousandsOfValuesAreAllInTheCsv() throws Exception {
    share(Wire.C);
    int[] next = {0};
    busy.start(
        () -> {
          LONG.set(next[0]++ % 3000 + 1);
          Busy.sleep(0);
        });
    Command result = top("top.long", "--once", "--csv", "--interval", "3");
    assertThat(result.exit()).isZero();
    List<String> lines = result.out().lines().toList();
    assertThat(lines.getFirst()).startsWith("time,interval_ns,value,");
    assertThat(lines).hasSizeGreaterThan(3000);
    int columns = lines.getFirst().split(",").length;
    assertThat(lines).allMatch(line -> line.split(",").length == columns);
    assertThat(lines).noneMatch(line -> line.contains("(other values)"));
  }

  @Test
  void valuesBeyondWhatThereIsRoomForAreSummedAndSaid() throws Exception {
    share(Wire.C);
    long[] next = {0};
    busy.start(
        () -> {
          LONG.set(next[0]++);
          Busy.sleep(0);
        });
    JsonObject interval = once("top.long", 5);
    assertThat(next[0]).isGreaterThan(20_000);
    assertThat(rows(interval)).containsKey("(other values)");
    assertThat(interval.getLong("sightings_without_room")).isPositive();
    Command plain = top("top.long", "--once", "--interval", "3");
    assertThat(plain.out()).contains("too many values");
  }

  @Test
  void processesThatComeAndGoAreCounted() throws Exception {
    share(Wire.C);
    TopProcess top =
        new TopProcess(
            "top", "--pin", pinned.pin(), "--key", "child.int", "--json", "--interval", 0.2);
    for (int i = 0; i < 3; i++) {
      assertThat(TopChild.run(pinned.pin(), "spin")).isEmpty();
    }
    double nanos = top.sums().get("1").get("time_ns");
    assertThat(nanos).isCloseTo(3.0 * MILLIS_500, within(0.05 * 3 * MILLIS_500));
  }

  @Test
  void aThreadOfShortRunsBesideOneThatAlwaysRunsGetsItsOwn() throws Exception {
    share(Wire.C);
    TopProcess top =
        new TopProcess(
            "top", "--pin", pinned.pin(), "--key", "child.int", "--json", "--interval", 0.2);
    double ratio = Double.parseDouble(TopChild.run(pinned.pin(), "mixed"));
    Map<String, Map<String, Long>> sums = top.sums();
    double counted = (double) sums.get("2").get("time_ns") / sums.get("1").get("time_ns");
    assertThat(ratio).isBetween(0.02, 0.2);
    // Some 300 samples; by the scheduler's books of the last tick it would be two or three times.
    assertThat(counted).isCloseTo(ratio, within(0.4 * ratio));
  }

  @Test
  void valuesHaveTheNamesThatAFileGivesThem(@TempDir Path folder) throws Exception {
    Path names = Files.writeString(folder.resolve("names"), "7 = interactive\n8=interactive\n");
    share(Wire.C);
    busy.spin(() -> INT.set(7));
    busy.spin(() -> INT.set(8));
    Command result = top("top.int", "--once", "--names", names);
    assertThat(result.out()).contains("interactive").contains("counted");
    assertThat(result.out().lines().filter(line -> line.startsWith("interactive"))).hasSize(1);
  }

  @Test
  void theChartIsAnSvgWithTheValuesInIt(@TempDir Path folder) throws Exception {
    Path svg = folder.resolve("top.svg");
    share(Wire.C);
    busy.spin(() -> INT.set(4711));
    Command result = top("top.int", "--count", "5", "--interval", "0.2", "--svg", svg);
    assertThat(result.err()).isEmpty();
    assertThat(result.exit()).isZero();
    Document document =
        DocumentBuilderFactory.newDefaultNSInstance()
            .newDocumentBuilder()
            .parse(new InputSource(new StringReader(withoutDoctype(svg))));
    assertThat(document.getDocumentElement().getLocalName()).isEqualTo("svg");
    assertThat(document.getDocumentElement().getTextContent()).contains("4711").contains("seconds");
  }

  /** So that no parser asks the network for it. */
  private static String withoutDoctype(Path svg) throws IOException {
    return Files.readString(svg).replaceFirst("(?s)<!DOCTYPE.*?>", "");
  }

  /** What is typed: q, and Ctrl-C. */
  @ParameterizedTest
  @ValueSource(strings = {"q", "\u0003"})
  void aTerminalIsDrawnAnewAndGivenBack(String typed, @TempDir Path folder) throws Exception {
    share(Wire.C);
    busy.spin(() -> INT.set(4711));
    String top =
        String.join(
            " ",
            TopProcess.command(
                "top", "--pin", pinned.pin(), "--key", "top.int", "--interval", 0.2));
    Path shell =
        Files.writeString(
            folder.resolve("shell"),
            "trap : INT; stty cols 60 rows 12; stty -g; " + top + "; echo; stty -g\n");
    Process terminal =
        new ProcessBuilder("script", "-qec", "sh " + shell, "/dev/null")
            .redirectErrorStream(true)
            .start();
    try (Reader reader = terminal.inputReader();
        Writer keys = terminal.outputWriter()) {
      StringBuilder seen = new StringBuilder();
      for (int c = reader.read(); c >= 0; c = reader.read()) {
        seen.append((char) c);
        // Two pictures are enough.
        if (seen.toString().endsWith(HOME) && seen.indexOf(HOME) < seen.length() - HOME.length()) {
          keys.write(typed);
          keys.flush();
        }
      }
      List<String> lines = seen.toString().lines().toList();
      assertThat(lines.getFirst()).isEqualTo(lines.getLast()).contains(":");
      String picture = seen.substring(seen.indexOf(HOME), seen.indexOf(LEAVE));
      assertThat(picture).contains("4711").contains("processors");
      assertThat(seen.substring(seen.indexOf(LEAVE))).contains("4711"); // it stays to be read
      assertThat(seen.indexOf(ENTER)).isBetween(0, seen.indexOf(HOME));
    }
  }

  private static final String ENTER = "\033[?1049h";
  private static final String LEAVE = "\033[?1049l";
  private static final String HOME = "\033[H";

  @Test
  void aMapThatNobodyUsesGivesAnEmptyTable() throws Exception {
    share(Wire.C);
    map.close();
    Command result = top("top.int", "--once", "--interval", "0.2");
    assertThat(result.exit()).isZero();
    assertThat(result.out()).contains("no thread that has registered with the map has run");
    assertThat(pinned.pin()).exists();
  }

  @Test
  void badOptionsAreRefusedWithTheirReason() throws Exception {
    share(Wire.C);
    assertThat(Command.run("top")).satisfies(refused("--key"));
    assertThat(top("top.int", "--interval", "0")).satisfies(refused("0.1 to 86400"));
    assertThat(top("top.int", "--count", "0")).satisfies(refused("from 1 on"));
    assertThat(top("top.int", "--count", "2", "--once")).satisfies(refused("exclude"));
    assertThat(top("top.int", "--csv", "--json")).satisfies(refused("exclusive"));
    assertThat(top("")).satisfies(refused("1 to 61 bytes"));
  }

  @Test
  void whatFailsSaysWhy(@TempDir Path folder) throws Exception {
    share(Wire.C);
    Command names = top("top.int", "--names", folder.resolve("none"));
    assertThat(names.exit()).isEqualTo(1);
    assertThat(names.err()).contains("cannot be read");
    Command svg = top("top.int", "--svg", folder.resolve("none/top.svg"));
    assertThat(svg.exit()).isEqualTo(1);
    assertThat(svg.err()).contains("no chart can be written");
  }

  static Consumer<Command> refused(String why) {
    return command -> {
      assertThat(command.exit()).isEqualTo(2);
      assertThat(command.err()).contains(why);
      assertThat(command.out()).isEmpty();
    };
  }
}
