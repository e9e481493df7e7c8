// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Patience;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.io.StringReader;
import java.io.Writer;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;

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

  /**
   * Four standard deviations of a share of 0.75, from the 3000 samples of 3 seconds of a
   * processor's time.
   */
  private static final double FOUR_SIGMA = 4 * Math.sqrt(2 * 0.75 * 0.25 / 3000);

  private static final long MILLIS_500 = 500_000_000;

  /** The value that is set last. */
  private static final int MARK = 4712;

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
    try (PinnedMap _ = pinned;
        TaskLocalMap _ = map) {
      busy.close();
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

  /** {@return a row's time as a part of the time of some rows together} */
  private static double part(Map<String, Map<String, Long>> rows, String value, String... of) {
    double all = 0;
    for (String each : of) {
      all += rows.get(each).get("time_ns");
    }
    return rows.get(value).get("time_ns") / all;
  }

  /** {@return top in a process of its own, which has begun to count} */
  private TopProcess process(String key, Object... more) throws IOException {
    List<Object> command = new ArrayList<>(List.of("top", "--pin", pinned.pin(), "--key", key));
    command.addAll(List.of("--interval", 0.2));
    command.addAll(List.of(more));
    TopProcess top = new TopProcess(command.toArray());
    try {
      top.line();
      return top;
    } catch (IOException | Error e) {
      top.close();
      throw e;
    }
  }

  /** {@return the rows, once these texts are among them} */
  private Map<String, JsonObject> rows(String key, String... texts) {
    return Await.until(
        List.of(texts) + " of " + key,
        () -> rows(once(key, 0.2)),
        rows -> rows.keySet().containsAll(List.of(texts)));
  }

  /** {@return what top has counted of this process so far, summed} */
  private static Map<String, Map<String, Long>> sums(TopProcess top) throws Exception {
    INT.set(MARK);
    top.awaitJson("what came last", interval -> rows(interval).containsKey("" + MARK));
    top.line(); // all that was before has been collected by now, whatever the order
    return top.sums();
  }

  @ParameterizedTest
  @EnumSource
  void threadsThatSpinHaveTheirShares(Wire wire) throws Exception {
    share(wire);
    INT.set(0);
    AtomicLongArray used = new AtomicLongArray(3);
    try (TopProcess top = process("top.int:int", "--pid", PID, "--json")) {
      for (int value : new int[] {1, 1, 2}) {
        busy.once(
            () -> {
              INT.set(value);
              used.addAndGet(value, Busy.work(MILLIS_500));
            });
      }
      busy.close();
      Map<String, Map<String, Long>> sums = sums(top);
      double share = (double) used.get(1) / (used.get(1) + used.get(2));
      assertThat(part(sums, "1", "1", "2")).isCloseTo(share, within(0.05 * share));
      assertThat((double) sums.get("1").get("time_ns"))
          .isCloseTo((double) used.get(1), within(0.15 * MILLIS_500));
    }
  }

  @Test
  void theTimeOfAllRowsIsWhatProcSays() throws Exception {
    share(Wire.C);
    busy.spin(() -> INT.set(1));
    busy.spin(() -> {}); // no key
    Map<String, Long> sums = new TreeMap<>();
    Set<String> texts = new TreeSet<>();
    try (TopProcess top = process("top.int:int", "--pid", PID, "--json")) {
      top.awaitJson(
          "an interval in which it lives",
          interval -> interval.getObject("processes").getInt("count") == 1);
      top.awaitJson(
          "3 s of its time, of which /proc has the hundredths",
          interval -> {
            JsonObject processes = interval.getObject("processes");
            assertThat(processes.getInt("count")).isEqualTo(1);
            sums.merge("time", interval.getLong("time_ns"), Long::sum);
            sums.merge("counted", processes.getLong("counted_ns"), Long::sum);
            texts.addAll(rows(interval).keySet());
            return sums.merge("proc", processes.getLong("proc_ns"), Long::sum) >= 3e9;
          });
    }
    double proc = sums.get("proc");
    assertThat(sums.get("counted") / proc).isCloseTo(1, within(0.03));
    assertThat(sums.get("time") / proc).isCloseTo(1, within(0.03));
    assertThat(texts).contains("1", "(no entry)");
  }

  /** A name is 15 bytes, of any kind. */
  @Test
  void aProcessWhoseNameIsNotUtf8IsNotTakenForEnded() throws Exception {
    share(Wire.C);
    try (SpinChild child = new SpinChild(List.of(), pinned.pin(), 7, "fffe6e616d65")) {
      Command top =
          Command.run(
              "top",
              "--once",
              "--json",
              "--pin",
              pinned.pin(),
              "--key",
              SpinChild.KEY,
              "--pid",
              child.pid());
      JsonObject processes = top.json().getObject("processes");
      assertThat(processes.getInt("count")).isEqualTo(1);
      assertThat(processes.getLong("proc_ns")).isPositive();
      Command trace =
          Command.run(
              "trace",
              "--seconds",
              "0.5",
              "--format",
              "chrome",
              "--pin",
              pinned.pin(),
              "--key",
              SpinChild.KEY);
      assertThat(trace.out()).contains("\"process_name\"").containsPattern("..name\"");
    }
  }

  /** The default is a number, which text looks like none. */
  @Test
  void textThatIsShownAsNumbersIsNoticed() throws Exception {
    share(Wire.C);
    busy.spin(() -> LONG.set(0x65_6d_63_61L)); // "acme"
    Await.until("the value", () -> top("top.long", "--once"), t -> t.out().contains("1701667681"));
    String hint = "the values look like text, which --key top.long:string shows";
    assertThat(top("top.long", "--once").out()).contains(hint);
    assertThat(top("top.long", "--once", "--csv").err()).contains("top: " + hint);
    assertThat(top("top.long:string", "--once").out()).contains("\"acme\"").doesNotContain(hint);
    assertThat(top("top.long:long", "--once").out()).doesNotContain("look like text");
    assertThat(Command.run("dump", "--pin", pinned.pin(), "--key", "top.long").err())
        .contains("dump: " + hint);
    Command trace =
        Command.run("trace", "--pin", pinned.pin(), "--key", "top.long", "--seconds", "0.5");
    assertThat(trace.err()).contains("trace: " + hint);
    busy.spin(() -> LONG.set(-3));
    Await.until("a number, too", () -> top("top.long", "--once"), t -> t.out().contains("-3"));
    assertThat(top("top.long", "--once").out()).doesNotContain("look like text");
  }

  @Test
  void valuesThatChangeWithoutASwitchAreSeen() throws Exception {
    share(Wire.C);
    INT.set(0);
    AtomicLongArray used = new AtomicLongArray(3);
    try (TopProcess top = process("top.int", "--pid", PID, "--json")) {
      busy.once(
          () -> {
            for (int i = 0; i < 800; i++) {
              INT.set(1);
              used.addAndGet(1, Busy.work(3_000_000));
              INT.set(2);
              used.addAndGet(2, Busy.work(1_000_000));
            }
          });
      busy.close();
      double share = (double) used.get(1) / (used.get(1) + used.get(2));
      assertThat(part(sums(top), "1", "1", "2")).isCloseTo(share, within(FOUR_SIGMA));
    }
  }

  @Test
  void valuesOfShortTasksThatAreResetBeforeTheThreadWaitsAreSeen() throws Exception {
    share(Wire.C);
    INT.set(0);
    AtomicLongArray used = new AtomicLongArray(9);
    AtomicLong voluntary = new AtomicLong();
    try (TopProcess top = process("top.int", "--pid", PID, "--json")) {
      for (int i = 0; i < 2; i++) {
        busy.once(
            () -> {
              long before = counts()[0];
              long start = Busy.cpuTime();
              for (int j = 0; j < 2000; j++) {
                // The value is 0 where the thread rests. A safepoint may make it wait anywhere.
                INT.with(7).run(() -> used.addAndGet(7, Busy.work(750_000)));
                INT.with(8).run(() -> used.addAndGet(8, Busy.work(250_000)));
                Busy.rest(1);
              }
              used.addAndGet(0, Busy.cpuTime() - start); // of all values
              voluntary.addAndGet(counts()[0] - before);
            });
      }
      busy.close();
      Map<String, Map<String, Long>> sums = sums(top);
      double tasks = used.get(7) + used.get(8);
      assertThat(part(sums, "7", "7", "8")).isCloseTo(used.get(7) / tasks, within(FOUR_SIGMA));
      assertThat(part(sums, "0", "0", "7", "8"))
          .isCloseTo(1 - tasks / used.get(0), within(FOUR_SIGMA));
      double waits = Stream.of("0", "7", "8").mapToLong(v -> sums.get(v).get("voluntary")).sum();
      assertThat(waits).isCloseTo((double) voluntary.get(), within(0.03 * voluntary.get()));
      assertThat(sums.get("0").get("voluntary")).isGreaterThanOrEqualTo((long) (0.97 * 2 * 2000));
    }
  }

  @Test
  void runsAndSwitchesAreThoseOfTheKernel() throws Exception {
    share(Wire.C);
    INT.set(0);
    busy.spin(() -> INT.set(1)); // makes the other wait
    busy.spin(() -> INT.set(1));
    long[][] kernel = new long[4][];
    try (TopProcess top = process("top.int", "--pid", PID, "--json")) {
      try (Busy worker = new Busy()) {
        worker.once(
            () -> {
              kernel[0] = counts();
              INT.set(5);
              kernel[1] = counts();
              for (int i = 0; i < 500; i++) {
                Busy.work(300_000);
                Busy.rest(1);
              }
              kernel[2] = counts();
              INT.set(0);
              kernel[3] = counts();
            });
      }
      Map<String, Long> row = sums(top).get("5");
      List<String> figures = List.of("voluntary", "involuntary", "runs", "wait_ns");
      for (int i = 0; i < figures.size(); i++) {
        long least = kernel[2][i] - kernel[1][i];
        long most = kernel[3][i] - kernel[0][i];
        // The kernel takes its times a little earlier or later than the tracepoints.
        long apart = i < 3 ? 0 : least / 20 + 10_000 * row.get("runs") + 20_000_000;
        assertThat(row.get(figures.get(i)))
            .as(figures.get(i))
            .isBetween(least - apart, most + apart);
      }
    }
  }

  /**
   * {@return the kernel's counts of this thread: switches of both kinds, runs, nanoseconds in the
   * queue}
   */
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
    String[] texts = {"\"acme\"", "\"exactly 20 bytes wow\"", "\"two\\nlines\\u001b[31m\"", "\"\""};
    assertThat(rows("top.text:string", texts)).doesNotContainKey("\"acme-corporation 20b\"");
    JsonObject both =
        Await.until(
            "both threads in one row",
            () -> rows("top.text:string", texts).get("\"acme\""),
            row -> row.getInt("threads") == 2);
    assertThat(both.getString("value")).isEqualTo("acme");
  }

  /** Writes a text over the one that was there before. */
  private static void text(String text, String before) {
    MemorySegment value = TEXT.segment();
    value.asSlice(0, before.length()).copyFrom(MemorySegment.ofArray(before.getBytes(UTF_8)));
    if (text.length() < value.byteSize()) {
      value.setString(0, text);
    } else {
      value.copyFrom(MemorySegment.ofArray(text.getBytes(UTF_8)));
    }
  }

  @Test
  void numbersOfAllKindsAreShownAsTheyAre() throws Exception {
    share(Wire.C);
    Busy.Work set =
        () -> {
          INT.set(-1);
          LONG.set(Long.MIN_VALUE);
          DOUBLE.set(-0.25);
          BOOLEAN.set(true);
        };
    busy.spin(set);
    rows("top.int", "-1");
    rows("top.int:uint", "4294967295");
    rows("top.long", "-9223372036854775808");
    rows("top.double:double", "-0.25");
    rows("top.boolean:boolean", "true");
    rows("top.int:bytes", "ffffffff");
    rows("top.int:long", "(4 bytes, no long)");
    rows("top.nowhere", "(no key)");
  }

  @Test
  void thousandsOfValuesAreAllInTheCsv() throws Exception {
    share(Wire.C);
    int[] next = {0};
    busy.start(
        () -> {
          LONG.set(next[0]++ % 3000 + 1);
          Busy.rest(0);
        });
    Set<String> values = new HashSet<>();
    for (int i = 1; i <= 3000; i++) {
      values.add("" + i);
    }
    try (TopProcess top = process("top.long", "--csv")) {
      top.awaitLine(
          "all values",
          line -> {
            values.remove(line.split(",")[2]);
            return values.isEmpty();
          });
      List<String> lines = top.end("INT");
      assertThat(lines.getFirst()).startsWith("time,interval_ns,value,");
      int columns = lines.getFirst().split(",").length;
      assertThat(lines).allMatch(line -> line.split(",").length == columns);
      assertThat(lines).noneMatch(line -> line.contains("(other values)"));
    }
  }

  @Test
  void valuesBeyondWhatThereIsRoomForAreSummedAndReported() throws Exception {
    share(Wire.C);
    long[] next = {0};
    busy.start(
        () -> {
          LONG.set(next[0]++);
          Busy.rest(0);
        });
    try (TopProcess top = process("top.long", "--json")) {
      top.awaitJson(
          "values without room",
          interval -> {
            boolean others = rows(interval).containsKey("(other values)");
            assertThat(others && interval.getLong("sightings_without_room") == 0).isFalse();
            return others;
          });
    }
    try (TopProcess top = process("top.long")) {
      top.awaitLine("the note about too many values", line -> line.startsWith("too many values: "));
    }
  }

  @Test
  void processesThatComeAndGoAreCounted() throws Exception {
    share(Wire.C);
    double used = 0;
    try (TopProcess top = process("child.int", "--json")) {
      for (int i = 0; i < 3; i++) {
        used += TopChild.run(pinned.pin(), "spin");
      }
      double nanos = top.sums().get("1").get("time_ns");
      assertThat(nanos).isCloseTo(used, within(0.05 * used));
    }
  }

  @Test
  void aThreadOfShortRunsBesideOneThatAlwaysRunsGetsItsOwn() throws Exception {
    share(Wire.C);
    try (TopProcess top = process("child.int", "--json")) {
      double ratio = TopChild.run(pinned.pin(), "mixed");
      Map<String, Map<String, Long>> sums = top.sums();
      double counted = (double) sums.get("2").get("time_ns") / sums.get("1").get("time_ns");
      assertThat(ratio).isBetween(0.0, 0.2);
      // Some 300 samples; by the scheduler's books of the last tick it would be two or three times
      // as much.
      assertThat(counted).isCloseTo(ratio, within(0.4 * ratio));
    }
  }

  @Test
  void valuesHaveTheNamesThatAFileGivesThem(@TempDir Path folder) throws Exception {
    Path names = Files.writeString(folder.resolve("names"), "7 = interactive\n8=interactive\n");
    share(Wire.C);
    busy.spin(() -> INT.set(7));
    busy.spin(() -> INT.set(8));
    String out =
        Await.until(
            "both threads in a line",
            () -> top("top.int", "--once", "--names", names).out(),
            seen -> seen.lines().anyMatch(line -> line.matches("interactive +\\S+ +\\S+ +2 .*")));
    assertThat(out).contains("counted");
    assertThat(out.lines().filter(line -> line.startsWith("interactive"))).hasSize(1);
  }

  @ParameterizedTest
  @EnumSource
  void twoKeysSplitTheTimeByBoth(Wire wire) throws Exception {
    share(wire);
    for (int i = 1; i <= 3; i++) {
      int value = i;
      busy.spin(
          () -> {
            INT.set(value % 2);
            TEXT.segment().setString(0, value == 3 ? "globex" : "acme");
          });
    }
    List<Object> both = List.of("--key", "top.text:string");
    Command seen =
        Await.until(
            "three pairs",
            () -> top("top.int:int", both.get(0), both.get(1), "--once", "--json"),
            once ->
                rows(once.json())
                    .keySet()
                    .containsAll(List.of("1 / \"acme\"", "0 / \"acme\"", "1 / \"globex\"")));
    JsonObject pair = rows(seen.json()).get("1 / \"globex\"");
    assertThat(pair.getArray("value")).containsExactly(1, "globex");
    assertThat(seen.json().getArray("key")).containsExactly("top.int", "top.text");
    Command filtered =
        top(
            "top.int:int",
            both.get(0),
            both.get(1),
            "--once",
            "--filter",
            "acme",
            "--sort",
            "wait");
    assertThat(filtered.out())
        .contains("top.int / top.text", "1 / \"acme\"", "not match --filter")
        .doesNotContain("globex");
  }

  @Test
  void countersAreServedWhileItRuns() throws Exception {
    share(Wire.C);
    busy.spin(() -> INT.set(4711));
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    try (TopProcess _ = process("top.int:int", "--pid", PID, "--json", "--metrics", port)) {
      URI metrics = URI.create("http://127.0.0.1:" + port + "/metrics");
      Pattern counter = Pattern.compile("run_seconds_total\\{top_int=\"4711\"} (\\S+)");
      double[] before = {0};
      Await.until(
          "a counter that grows",
          () -> {
            Matcher found = counter.matcher(read(metrics));
            double now = found.find() ? Double.parseDouble(found.group(1)) : 0;
            boolean grown = before[0] > 0 && now > before[0];
            before[0] = now;
            return grown;
          });
    }
  }

  private static String read(URI metrics) {
    try (InputStream text = metrics.toURL().openStream()) {
      return new String(text.readAllBytes(), UTF_8);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void theChartIsAnSvgWithTheValuesInIt(@TempDir Path folder) throws Exception {
    Path svg = folder.resolve("top.svg");
    share(Wire.C);
    busy.spin(() -> INT.set(4711));
    String text =
        Await.until("the value in the chart", () -> chart(svg), seen -> seen.contains("4711"));
    assertThat(text).contains("seconds");
  }

  /** {@return the text in a chart of some intervals} */
  private String chart(Path svg) {
    Command result = top("top.int", "--count", "5", "--interval", "0.2", "--svg", svg);
    assertThat(result.err()).isEmpty();
    assertThat(result.exit()).isZero();
    try {
      // Or the parser would fetch the DTD from the network.
      String withoutDoctype = Files.readString(svg).replaceFirst("(?s)<!DOCTYPE.*?>", "");
      Document document =
          DocumentBuilderFactory.newDefaultNSInstance()
              .newDocumentBuilder()
              .parse(new InputSource(new StringReader(withoutDoctype)));
      assertThat(document.getDocumentElement().getLocalName()).isEqualTo("svg");
      return document.getDocumentElement().getTextContent();
    } catch (IOException | ParserConfigurationException | SAXException e) {
      throw new AssertionError(e);
    }
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
    try (Jvm.Deadline deadline = new Jvm.Deadline(terminal, Patience.WAIT);
        Reader reader = terminal.inputReader();
        Writer keys = terminal.outputWriter()) {
      StringBuilder seen = new StringBuilder();
      boolean wanted = true;
      for (int c = reader.read(); c >= 0; c = reader.read()) {
        seen.append((char) c);
        int picture = seen.lastIndexOf(HOME);
        // A picture that is not the first, and has the value.
        if (wanted
            && seen.indexOf(HOME) < picture
            && seen.indexOf("4711", picture) > 0
            && seen.indexOf(END, picture) > 0) {
          keys.write(typed);
          keys.flush();
          wanted = false;
        }
      }
      assertThat(deadline.killed()).as("killed; it was seen: %s", seen).isFalse();
      List<String> lines = seen.toString().lines().toList();
      assertThat(lines.getFirst()).isEqualTo(lines.getLast()).contains(":");
      assertThat(seen.indexOf(ENTER)).isBetween(0, seen.indexOf(HOME));
      int last = seen.lastIndexOf(HOME);
      String picture = seen.substring(last + HOME.length(), seen.indexOf(END, last));
      assertThat(picture).contains("processors");
      String left = seen.substring(seen.indexOf(LEAVE) + LEAVE.length());
      // The last picture stays to be read.
      assertThat(left.lines()).containsSequence(picture.replace(END_OF_LINE, "").split("\r*\n"));
    } finally {
      terminal.destroyForcibly();
    }
  }

  private static final String ENTER = "\033[?1049h";
  private static final String LEAVE = "\033[?1049l";
  private static final String HOME = "\033[H";
  private static final String END = "\033[J";
  private static final String END_OF_LINE = "\033[K";

  @Test
  void aMapWithoutThreadsGivesAnEmptyTable() throws Exception {
    share(Wire.C);
    map.close();
    Command result = top("top.int", "--once", "--interval", "0.2");
    assertThat(result.exit()).isZero();
    assertThat(result.out())
        .contains("no thread that has registered with the map has run", "--mode 666");
    assertThat(pinned.pin()).exists();
  }

  @Test
  void badOptionsAreRefusedWithTheirReason() throws Exception {
    share(Wire.C);
    assertThat(Command.run("top")).satisfies(refused("--key"));
    assertThat(top("top.int", "--interval", "0")).satisfies(refused("0.1 to 86400"));
    assertThat(top("top.int", "--count", "0")).satisfies(refused("at least 1"));
    assertThat(top("top.int", "--count", "2", "--once")).satisfies(refused("exclusive"));
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
