// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import com.grack.nanojson.JsonParserException;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.Wire;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
    busy.close();
    if (map != null) {
      map.close();
    }
    if (pinned != null) {
      pinned.close();
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
          Busy.sleep(1);
        });
  }

  private static List<JsonObject> objects(String lines) throws JsonParserException {
    List<JsonObject> objects = new ArrayList<>();
    for (String line : lines.lines().toList()) {
      objects.add(JsonParser.object().from(line));
    }
    return objects;
  }

  @ParameterizedTest
  @EnumSource
  void everyChangeBeforeAWaitIsSeenOnceAndInOrder(Wire wire) throws Exception {
    share(wire);
    count();
    Command command = trace("--seconds", 0.5, "--json");
    assertThat(command.exit()).isZero();
    assertThat(command.err()).isEmpty();
    List<JsonObject> changes =
        objects(command.out()).stream()
            .filter(change -> change.get("before") != null && change.getInt("after") > 0)
            .toList();
    assertThat(changes).hasSizeGreaterThan(50);
    for (int i = 1; i < changes.size(); i++) {
      JsonObject change = changes.get(i);
      assertThat(change.getInt("before")).isEqualTo(change.getInt("after") - 1);
      assertThat(change.getInt("before")).isEqualTo(changes.get(i - 1).getInt("after"));
      assertThat(change.getLong("time_ns")).isGreaterThan(changes.get(i - 1).getLong("time_ns"));
      assertThat(change.getInt("pid")).isEqualTo(Integer.parseInt(PID));
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
    List<JsonObject> changes = objects(trace("--seconds", 2, "--json").out());
    assertThat(changes).extracting(change -> change.getString("where")).contains("sample");
    List<Integer> values =
        changes.stream().map(change -> change.getInt("after")).filter(value -> value > 0).toList();
    assertThat(values).isSorted().doesNotHaveDuplicates().hasSizeGreaterThan(5);
    assertThat(values.getLast() - values.getFirst()).isEqualTo(values.size() - 1);
  }

  @Test
  void textHasALineForEachChange() throws Exception {
    share(Wire.C);
    count();
    Command command = trace("--seconds", 0.2);
    assertThat(command.exit()).isZero();
    List<String> lines = command.out().lines().toList();
    assertThat(lines).hasSizeGreaterThan(10);
    assertThat(lines)
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
    Command command = trace("--seconds", 0.5, "--format", "chrome", "--output", file);
    long end = System.nanoTime();
    assertThat(command.out()).isEmpty();
    assertThat(command.exit()).isZero();
    JsonObject trace = JsonParser.object().from(Files.readString(file));
    Map<String, Integer> names = new HashMap<>();
    Map<Integer, Double> ends = new HashMap<>();
    int spans = 0;
    for (Object each : trace.getArray("traceEvents")) {
      JsonObject event = (JsonObject) each;
      assertThat(event.getInt("pid")).isEqualTo(Integer.parseInt(PID));
      switch (event.getString("ph")) {
        case "M" -> names.merge(event.getString("name"), 1, Integer::sum);
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
  }

  @Test
  void theEndOfAThreadIsSeen() throws Exception {
    share(Wire.C);
    busy.start(
        () -> {
          Thread thread = new Thread(() -> KEY.set(4711));
          thread.start();
          try {
            thread.join();
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
        });
    Map<Integer, List<String>> seen = new HashMap<>();
    for (JsonObject change : objects(trace("--seconds", 0.5, "--json").out())) {
      if (change.get("before") != null && change.getInt("before") == 4711) {
        seen.computeIfAbsent(change.getInt("tid"), tid -> new ArrayList<>())
            .add(change.getString("where"));
      }
    }
    assertThat(seen.values().stream().flatMap(List::stream)).contains("exit");
  }

  @Test
  void aSignalEndsItWithAWholeFileAndNoPinButTheMaps(@TempDir Path folder) throws Exception {
    share(Wire.C);
    count();
    Path file = folder.resolve("trace.json");
    for (String signal : List.of("INT", "TERM")) {
      TopProcess top =
          new TopProcess(
              "top", "--pin", pinned.pin(), "--key", "trace.int", "--json", "--interval", 0.2);
      TopProcess trace =
          new TopProcess("trace", "--pin", pinned.pin(), "--key", "trace.int", "--json");
      TopProcess chrome = chrome(file);
      assertThat(objects(String.join("\n", top.end(signal)))).isNotEmpty();
      assertThat(objects(String.join("\n", trace.end(signal)))).isNotEmpty();
      assertThat(chrome.end(signal)).isEmpty();
      assertThat(JsonParser.object().from(Files.readString(file)).getArray("traceEvents"))
          .hasSizeGreaterThan(10);
      try (Stream<Path> pins = Files.list(pinned.pin().getParent())) {
        assertThat(pins).containsExactly(pinned.pin());
      }
    }
  }

  /** One that writes to a file: it is on its way when there is something in it. */
  private TopProcess chrome(Path file) throws IOException {
    Files.deleteIfExists(file);
    return new TopProcess(
        () -> Files.exists(file) && Files.size(file) > 1000,
        "trace",
        "--pin",
        pinned.pin(),
        "--key",
        "trace.int",
        "--format",
        "chrome",
        "--output",
        file);
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
    Command command = trace("--seconds", 0.5, "--output", "/dev/full");
    assertThat(command.exit()).isEqualTo(1);
    assertThat(command.err()).contains("cannot be written");
  }

  @Test
  void changesThatFindNoRoomAreCountedAndSaid() throws Exception {
    share(Wire.C);
    int[] next = {1};
    busy.start(
        () -> {
          KEY.set(next[0]++);
          Busy.sleep(0);
        });
    TopProcess trace = new TopProcess("trace", "--pin", pinned.pin(), "--key", "trace.int");
    trace.signal("STOP"); // nobody reads
    int before = next[0];
    while (next[0] < before + 50_000) {
      Busy.sleep(10);
    }
    trace.signal("CONT");
    List<String> lines = trace.end("INT");
    assertThat(lines).hasSizeGreaterThan(10_000);
    assertThat(lines.getLast())
        .matches("trace: \\d+ changes came too fast and are missing; fewer come with --pid");
  }

  @Test
  void aReaderThatLeavesEndsIt() throws Exception {
    share(Wire.C);
    count();
    for (String command : List.of("top --interval 0.1 --csv", "trace")) {
      List<String> words = new ArrayList<>(List.of(command.split(" ")));
      words.addAll(List.of("--pin", pinned.pin().toString(), "--key", "trace.int"));
      TopProcess reading = new TopProcess(words.toArray());
      assertThat(reading.leave()).isEqualTo(1);
    }
  }
}
