// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Patience;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@code trace} beside a thread of this process that changes its value at known moments. */
@KernelTest
class TraceKernelIT {

  private static final TaskLocal.OfInt KEY = TaskLocal.of("trace.int", ValueLayout.JAVA_INT);

  private static final String PID = String.valueOf(ProcessHandle.current().pid());

  private final Busy busy = new Busy();
  private PinnedMap pinned;
  private TaskLocalMap map;

  private void share(Wire wire) throws IOException {
    pinned = new PinnedMap(wire);
    map = TaskLocalMap.open(pinned.pin(), wire);
  }

  @AfterEach
  void stop() throws IOException {
    try (PinnedMap _ = pinned;
        TaskLocalMap _ = map) {
      busy.close();
    }
  }

  private Command trace(Object... more) {
    List<Object> command =
        new ArrayList<>(List.of("trace", "--pin", pinned.pin(), "--key", "trace.int"));
    command.addAll(List.of("--pid", PID));
    command.addAll(List.of(more));
    return Command.run(command.toArray());
  }

  /** Counts up, and waits with each number, so that each is seen. */
  private void count() {
    int[] next = {1};
    busy.start(
        () -> {
          KEY.set(next[0]++);
          Busy.rest(1);
        });
  }

  /** {@return trace in a process of its own} */
  private TopProcess process(Object... more) throws IOException {
    List<Object> command =
        new ArrayList<>(List.of("trace", "--pin", pinned.pin(), "--key", "trace.int"));
    command.addAll(List.of(more));
    return new TopProcess(command.toArray());
  }

  @ParameterizedTest
  @EnumSource
  void everyChangeBeforeAWaitIsSeenOnceAndInOrder(Wire wire) throws Exception {
    share(wire);
    count();
    List<JsonObject> changes = new ArrayList<>();
    try (TopProcess trace = process("--pid", PID, "--json")) {
      trace.awaitJson(
          "50 changes",
          change -> {
            if (change.get("before") != null && change.getInt("after") > 0) {
              changes.add(change);
            }
            return changes.size() > 50;
          });
    }
    for (int i = 1; i < changes.size(); i++) {
      JsonObject change = changes.get(i);
      assertThat(change.getInt("before")).isEqualTo(change.getInt("after") - 1);
      assertThat(change.getInt("before")).isEqualTo(changes.get(i - 1).getInt("after"));
      assertThat(change.getLong("time_ns")).isGreaterThan(changes.get(i - 1).getLong("time_ns"));
      assertThat(change.getInt("pid")).isEqualTo(Integer.parseInt(PID));
    }
  }

  @Test
  void changesOfAVirtualThreadAreSeenOnItsCarrier() throws Exception {
    share(Wire.C);
    try (ValuesProcess child = ValuesProcess.ofVirtual(pinned.pin());
        TopProcess trace =
            new TopProcess(
                "trace",
                "--pin",
                pinned.pin(),
                "--key",
                "a.long",
                "--pid",
                child.pid(),
                "--json")) {
      List<JsonObject> changes = new ArrayList<>();
      trace.awaitJson(
          "five changes",
          change -> {
            if (change.get("before") != null) {
              changes.add(change);
            }
            return changes.size() == 5;
          });
      for (JsonObject change : changes) {
        assertThat(change.getString("comm")).isEqualTo("ForkJoinPool-1-");
        assertThat(change.getLong("after")).isGreaterThan(change.getLong("before"));
      }
    }
  }

  @Test
  void changesOfAThreadThatNeverWaitsAreSeen() throws Exception {
    share(Wire.C);
    int[] next = {1};
    busy.start(
        () -> {
          KEY.set(next[0]++);
          Busy.work(20_000_000);
        });
    List<Integer> values = new ArrayList<>();
    Set<String> where = new HashSet<>();
    try (TopProcess trace = process("--pid", PID, "--json")) {
      trace.awaitJson(
          "changes, and a sample among them",
          change -> {
            where.add(change.getString("where"));
            if (change.getInt("after") > 0) {
              values.add(change.getInt("after"));
            }
            return values.size() > 50 && where.contains("sample");
          });
    }
    assertThat(values).isSorted().doesNotHaveDuplicates();
    assertThat(values.getLast() - values.getFirst()).isEqualTo(values.size() - 1);
  }

  @Test
  void textHasALineForEachChange() throws Exception {
    share(Wire.C);
    count();
    String out =
        Await.until(
            "lines of a second",
            () -> {
              Command command = trace("--seconds", 1);
              assertThat(command.exit()).isZero();
              return command.out();
            },
            seen -> seen.lines().count() > 10);
    assertThat(out.lines())
        .allMatch(
            line ->
                line.matches(
                    "\\d+\\.\\d{9} \\[\\d{3}\\] "
                        + PID
                        + "/\\d+ .* (enter|leave|sample|exit): .*"
                        + " -> .*"));
  }

  @Test
  void theChromeTraceHasASpanForEachValue(@TempDir Path folder) throws Exception {
    share(Wire.C);
    count();
    Path file = folder.resolve("trace.json");
    long start = System.nanoTime();
    try (TopProcess chrome = chrome(file, 60)) {
      assertThat(chrome.end("INT")).isEmpty();
    }
    long end = System.nanoTime();
    JsonObject trace = JsonParser.object().from(Files.readString(file));
    Map<String, Integer> names = new HashMap<>();
    Set<String> processes = new HashSet<>();
    Map<Integer, Double> ends = new HashMap<>();
    int spans = 0;
    for (Object each : trace.getArray("traceEvents")) {
      JsonObject event = (JsonObject) each;
      assertThat(event.getInt("pid")).isEqualTo(Integer.parseInt(PID));
      switch (event.getString("ph")) {
        case "M" -> {
          names.merge(event.getString("name"), 1, Integer::sum);
          if (event.getString("name").equals("process_name")) {
            processes.add(event.getObject("args").getString("name"));
          }
        }
        case "X" -> {
          spans++;
          double begin = event.getDouble("ts");
          assertThat(begin * 1e3).isBetween((double) start, (double) end);
          assertThat(event.getDouble("dur")).isNotNegative();
          // Spans of a thread do not overlap.
          Double before = ends.put(event.getInt("tid"), begin + event.getDouble("dur"));
          assertThat(begin).isGreaterThanOrEqualTo(before == null ? 0 : before - 0.01);
          assertThat(event.getString("name"))
              .isEqualTo(event.getObject("args").get("value").toString());
        }
        default -> throw new AssertionError(event);
      }
    }
    assertThat(spans).isGreaterThan(50);
    assertThat(names).containsEntry("process_name", 1).containsKey("thread_name");
    // As the JVM itself says: the jar of Surefire, with its folder.
    String main = System.getProperty("sun.java.command").split(" ", 2)[0];
    assertThat(processes).containsExactly(Path.of(main).getFileName().toString());
  }

  @Test
  void theEndOfAThreadIsSeen() throws Exception {
    share(Wire.C);
    busy.start(
        () -> {
          Thread thread = Thread.ofPlatform().daemon().start(() -> KEY.set(4711));
          thread.join();
        });
    try (TopProcess trace = process("--pid", PID, "--json")) {
      trace.awaitJson(
          "the end of one that had the value",
          change ->
              change.get("before") != null
                  && change.getInt("before") == 4711
                  && change.getString("where").equals("exit"));
    }
  }

  @Test
  void aSignalEndsItWithAWholeFileAndNoPinButTheMaps(@TempDir Path folder) throws Exception {
    share(Wire.C);
    count();
    Path file = folder.resolve("trace.json");
    for (String signal : List.of("INT", "TERM")) {
      try (TopProcess top =
              new TopProcess(
                  "top", "--pin", pinned.pin(), "--key", "trace.int", "--json", "--interval", 0.2);
          TopProcess trace = process("--json");
          TopProcess chrome = chrome(file, 10)) {
        top.line();
        trace.line();
        assertThat(top.end(signal)).allSatisfy(TopProcess::parse);
        assertThat(trace.end(signal)).allSatisfy(TopProcess::parse);
        assertThat(chrome.end(signal)).isEmpty();
        assertThat(JsonParser.object().from(Files.readString(file)).getArray("traceEvents"))
            .hasSizeGreaterThan(10);
      }
      try (Stream<Path> pins = Files.list(pinned.pin().getParent())) {
        assertThat(pins).containsExactly(pinned.pin());
      }
    }
  }

  /** {@return trace that writes to a file, which has at least so many events by now} */
  private TopProcess chrome(Path file, int events) throws IOException {
    Files.deleteIfExists(file);
    TopProcess chrome = process("--format", "chrome", "--output", file);
    try {
      Await.until("events in " + file, () -> events(file), seen -> seen > events);
      return chrome;
    } catch (Error e) {
      chrome.close();
      throw e;
    }
  }

  private static int events(Path file) {
    try {
      return Files.exists(file) ? Files.readString(file).split("\"ph\":", -1).length - 1 : 0;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void badOptionsAreRefusedWithTheirReason() throws Exception {
    share(Wire.C);
    assertThat(trace("--seconds", 0)).satisfies(TopKernelIT.refused("above 0"));
    assertThat(trace("--format", "xml")).satisfies(TopKernelIT.refused("chrome"));
    assertThat(trace("--json", "--format", "chrome")).satisfies(TopKernelIT.refused("exclude"));
    Command command = trace("--output", "/proc/none");
    assertThat(command.exit()).isEqualTo(1);
    assertThat(command.err()).contains("cannot be written to /proc/none");
  }

  @Test
  void aFullDiskIsAFailure() throws Exception {
    share(Wire.C);
    count();
    Command command = trace("--seconds", Patience.CHILD.toSeconds(), "--output", "/dev/full");
    assertThat(command.exit()).isEqualTo(1);
    assertThat(command.err()).contains("cannot be written");
  }

  @Test
  void changesThatFindNoRoomAreCountedAndReported() throws Exception {
    share(Wire.C);
    AtomicInteger next = new AtomicInteger();
    busy.start(
        () -> {
          KEY.set(next.incrementAndGet());
          Busy.rest(0);
        });
    try (TopProcess trace = process()) {
      trace.line();
      trace.signal("STOP"); // nobody reads
      int before = next.get();
      Await.until("more than there is room for", next::get, now -> now > before + 30_000);
      trace.signal("CONT");
      trace.awaitLine("the first change after those without room", TraceKernelIT::isGap);
      List<String> lines = trace.end("INT");
      assertThat(lines).hasSizeGreaterThan(10_000);
      assertThat(lines.getLast())
          .matches("trace: \\d+ changes came too fast and are missing; fewer come with --pid");
    }
  }

  /** {@return whether a line tells of a thousand changes at once} */
  private static boolean isGap(String line) {
    Matcher values = Pattern.compile(" (\\d+) -> (\\d+)$").matcher(line);
    return values.find()
        && Integer.parseInt(values.group(2)) - Integer.parseInt(values.group(1)) > 1000;
  }

  @Test
  void theCommandEndsWhenItsReaderLeaves() throws Exception {
    share(Wire.C);
    count();
    for (String command : List.of("top --interval 0.1 --csv", "trace")) {
      List<String> words = new ArrayList<>(List.of(command.split(" ")));
      words.addAll(List.of("--pin", pinned.pin().toString(), "--key", "trace.int"));
      try (TopProcess reading = new TopProcess(words.toArray())) {
        reading.line();
        assertThat(reading.leave()).isEqualTo(1);
      }
    }
  }
}
