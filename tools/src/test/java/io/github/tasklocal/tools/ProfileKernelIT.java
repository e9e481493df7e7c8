// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@code profile} of an application whose tenants use methods of their own. */
@KernelTest
class ProfileKernelIT {

  private static final String KEY = ProfileChild.KEY + ":string";
  private static final String[] WHOLE = {"-XX:+PreserveFramePointer"};

  /** Samples of each tenant, of which at most 5 % may be of other code. */
  private static final int LEAST = 100;

  @TempDir private Path folder;
  private PinnedMap pinned;

  private void share(Wire wire) throws IOException {
    pinned = new PinnedMap(wire);
  }

  @AfterEach
  void stop() throws IOException {
    if (pinned != null) {
      pinned.close();
    }
  }

  private record Line(List<String> frames, long count) {
    boolean has(String method) {
      return frames.contains(method + "_[j]");
    }
  }

  private static List<Line> lines(Path file) throws IOException {
    List<Line> lines = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      int space = line.lastIndexOf(' ');
      lines.add(
          new Line(
              List.of(line.substring(0, space).split(";", -1)),
              Long.parseLong(line.substring(space + 1))));
    }
    return lines;
  }

  private static Map<String, Long> rows(JsonObject summary) {
    Map<String, Long> rows = new TreeMap<>();
    for (Object row : summary.getArray("rows")) {
      rows.put(((JsonObject) row).getString("text"), ((JsonObject) row).getLong("samples"));
    }
    return rows;
  }

  private Command profile(Object... more) {
    List<Object> command = new ArrayList<>(List.of("profile", "--json"));
    command.addAll(List.of(more));
    return Command.run(command.toArray());
  }

  /** {@return a profile that has samples enough, however busy the machine is} */
  private JsonObject profile(Path file, int pid) {
    for (int seconds = 2; ; seconds *= 2) {
      Command command =
          profile(
              "--pin",
              pinned.pin(),
              "--key",
              KEY,
              "--pid",
              pid,
              "--format",
              "collapsed",
              "--frequency",
              499,
              "--duration",
              seconds,
              "--output",
              file);
      JsonObject summary = command.json();
      assertThat(summary.getLong("samples_without_room")).isZero();
      Map<String, Long> rows = rows(summary);
      if (Math.min(rows.getOrDefault("\"acme\"", 0L), rows.getOrDefault("\"globex\"", 0L)) > LEAST
          || seconds > 100) {
        return summary;
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void theSamplesOfEachTenantAreUnderItsMethod(Wire wire) throws Exception {
    share(wire);
    Path file = folder.resolve("stacks");
    try (ProfileChild child = new ProfileChild(List.of(), pinned.pin(), WHOLE)) {
      JsonObject summary = profile(file, child.pid());
      assertUnder(lines(file), "\"acme\"", ProfileChild.ACME);
      assertUnder(lines(file), "\"globex\"", ProfileChild.GLOBEX);
      double samples = summary.getLong("samples");
      assertThat(summary.getLong("samples_named") / samples).isGreaterThan(0.95);
      assertThat(summary.getLong("samples_cut") / samples).isLessThan(0.05);
      double proc = summary.getLong("proc_ns");
      double sampled = summary.getLong("samples_of_proc") * 1e9 / 499;
      assertThat(sampled / proc).isCloseTo(1, within(4 / Math.sqrt(samples)));
      double busy = summary.getLong("busy_ns");
      long all = summary.getLong("samples_of_busy");
      assertThat(all * 1e9 / 499 / busy).isCloseTo(1, within(4 / Math.sqrt((double) all)));
    }
  }

  /**
   * Asserts that nearly all samples of a value are under a method. Those in the first instructions
   * of a function that it calls, which has no frame yet, are not.
   */
  private static void assertUnder(List<Line> lines, String value, String method) {
    long all = 0;
    long under = 0;
    for (Line line : lines) {
      if (line.frames().getFirst().equals(value)) {
        all += line.count();
        under += line.has(method) ? line.count() : 0;
      }
    }
    assertThat(all).isGreaterThan(LEAST);
    assertThat((double) under / all).as("%d of %d under %s", under, all, method).isGreaterThan(0.9);
  }

  @Test
  void sharesAgreeWithTop() throws Exception {
    share(Wire.C);
    try (ProfileChild child = new ProfileChild(List.of(), pinned.pin(), WHOLE)) {
      Map<String, Long> sampled;
      Map<String, Map<String, Long>> timed;
      try (TopProcess top =
          new TopProcess(
              "top",
              "--json",
              "--interval",
              0.2,
              "--pin",
              pinned.pin(),
              "--key",
              KEY,
              "--pid",
              child.pid())) {
        top.line(); // it counts
        sampled = rows(profile(folder.resolve("stacks"), child.pid()));
        timed = top.sums();
      }
      long acme = sampled.get("\"acme\"");
      long globex = sampled.get("\"globex\"");
      double time = timed.get("\"acme\"").get("time_ns");
      double share = time / (time + timed.get("\"globex\"").get("time_ns"));
      // Four standard deviations of each; top takes about 1000 samples of a second that ran.
      double samples = Math.min((double) (acme + globex), 1e-6 * time);
      double error = 4 * Math.sqrt(2 * share * (1 - share) / samples);
      assertThat((double) acme / (acme + globex)).isCloseTo(share, within(error));
    }
  }

  @Test
  void aJvmInAContainerHasNamesToo() throws Exception {
    share(Wire.C);
    Path file = folder.resolve("stacks");
    try (ProfileChild child = new ProfileChild(SpinChild.CONTAINER, pinned.pin(), WHOLE)) {
      JsonObject ignored = profile(file, child.pid());
      assertUnder(lines(file), "\"acme\"", ProfileChild.ACME);
    }
  }

  @Test
  void missingFramePointersAreSaid() throws Exception {
    share(Wire.C);
    Path file = folder.resolve("stacks");
    try (ProfileChild child = new ProfileChild(List.of(), pinned.pin())) {
      Command command =
          profile(
              "--pin",
              pinned.pin(),
              "--key",
              KEY,
              "--pid",
              child.pid(),
              "--duration",
              2,
              "--output",
              file);
      assertThat(command.err()).contains("-XX:+PreserveFramePointer");
      assertThat(command.exit()).isZero();
    }
  }

  @Test
  void withoutAMapSamplesAreSplitByThreadProcessOrControlGroup() throws Exception {
    share(Wire.C);
    try (ProfileChild child = new ProfileChild(List.of(), pinned.pin(), WHOLE)) {
      for (Profile.By by : Profile.By.values()) {
        Path file = folder.resolve(by.toString());
        Command command =
            profile(
                "--format",
                "collapsed",
                "--by",
                by,
                "--pid",
                child.pid(),
                "--duration",
                2,
                "--output",
                file);
        JsonObject summary = command.json();
        assertThat(summary.getLong("samples")).isPositive();
        String busiest = summary.getArray("rows").getObject(0).getString("text");
        switch (by) {
          case THREAD -> assertThat(busiest).startsWith("Thread-");
          case PROCESS -> assertThat(busiest).isEqualTo("ProfileChild (" + child.pid() + ")");
          case CGROUP -> assertThat(busiest).startsWith("/");
        }
        assertThat(lines(file)).anyMatch(line -> line.has(ProfileChild.ACME));
      }
    }
  }
}
