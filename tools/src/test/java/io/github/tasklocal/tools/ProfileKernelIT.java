// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code profile} of an application whose tenants use methods of their own. */
@KernelTest
class ProfileKernelIT {

  private static final String KEY = ProfileChild.KEY + ":string";
  private static final String[] WHOLE = {"-XX:+PreserveFramePointer"};

  /** Samples of each tenant, of which at most 5 % may be of other code. */
  private static final int LEAST = 300;

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
    /** Whether its innermost function is known. */
    boolean isNamed() {
      return !frames.getLast().matches("\\[(unknown.*|kernel|.*\\.so.*)]");
    }

    boolean has(String function) {
      return frames.contains(function) || frames.contains(function + "_[j]");
    }

    /** Whether its group is a process. */
    boolean isOf(long pid) {
      return frames.getFirst().endsWith(" (" + pid + ")");
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

  /** Asserts that of the samples of a value that have a name, 95 % are under a method. */
  private static void assertUnder(List<Line> lines, String value, String method) {
    long named = 0;
    long under = 0;
    for (Line line : lines) {
      if (line.frames().getFirst().equals(value) && line.isNamed()) {
        named += line.count();
        under += line.has(method) ? line.count() : 0;
      }
    }
    assertThat(named).isGreaterThan(LEAST / 2);
    assertThat((double) under / named)
        .as("%d of %d under %s", under, named, method)
        .isGreaterThanOrEqualTo(0.95);
  }

  @Test
  void virtualThreadsSamplesAreUnderTheirOwnValues() throws Exception {
    share(Wire.C);
    Path file = folder.resolve("stacks");
    try (ProfileChild child = new ProfileChild(List.of(), pinned.pin(), ProfileChild.VIRTUAL)) {
      JsonObject summary = profile(file, child.pid());
      assertUnder(lines(file), "\"acme\"", ProfileChild.ACME);
      assertUnder(lines(file), "\"globex\"", ProfileChild.GLOBEX);
      assertThat(summary.getLong("samples_cut") / (double) summary.getLong("samples"))
          .isLessThan(0.05);
    }
  }

  /** Without frame pointers, and where compiled code calls the JVM, too. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aStackIsWholeOrSaidToBeCut(boolean framePointers) throws Exception {
    share(Wire.C);
    Path file = folder.resolve("stacks");
    try (ProfileChild child =
        new ProfileChild(
            List.of(),
            pinned.pin(),
            framePointers ? "-XX:+PreserveFramePointer" : "-XX:-PreserveFramePointer",
            ProfileChild.RUNTIME)) {
      JsonObject summary = profile(file, child.pid());
      double cut = summary.getLong("samples_cut") / (double) summary.getLong("samples");
      if (framePointers) {
        assertThat(cut).isLessThan(0.05);
      } else {
        assertThat(cut).isGreaterThan(0.05);
      }
      for (Line line : lines(file)) {
        String outermost = line.frames().get(2);
        assertThat(outermost).as(line.toString()).doesNotEndWith("_[j]");
      }
      assertThat(lines(file)).anyMatch(line -> line.has("JVM_InternString"));
    }
  }

  @Test
  void aStackThatHasNoRoomIsTooDeepWhateverTheSysctlAllows() throws Exception {
    share(Wire.C);
    Path sysctl = Path.of("/proc/sys/kernel/perf_event_max_stack");
    String before;
    try (BufferedReader reader = Files.newBufferedReader(sysctl)) {
      before = reader.readLine();
    }
    try (ProfileChild child =
        new ProfileChild(List.of(), pinned.pin(), "-XX:+PreserveFramePointer", ProfileChild.DEEP)) {
      write(sysctl, "2048");
      JsonObject summary = profile(folder.resolve("stacks"), child.pid());
      double samples = summary.getLong("samples");
      assertThat(summary.getLong("samples_too_deep") / samples).isGreaterThan(0.5);
      assertThat(summary.getLong("samples_cut") / samples).isLessThan(0.05);
    } finally {
      write(sysctl, before);
    }
  }

  /** Writes a sysctl, which is busy while anybody takes stacks. */
  private static void write(Path sysctl, String value) {
    Await.until(
        "nobody who takes stacks",
        () -> {
          try {
            Files.writeString(sysctl, value);
            return true;
          } catch (IOException e) {
            return false;
          }
        });
  }

  /** Behind a JVM that does not answer; and Ctrl-C does not wait for that one. */
  @Test
  void processesThatEndKeepTheirNames() throws Exception {
    share(Wire.C);
    Path file = folder.resolve("stacks");
    try (StuckChild stuck = new StuckChild();
        TopProcess profile =
            new TopProcess(
                "profile",
                "--json",
                "--by",
                "process",
                "--format",
                "collapsed",
                "--duration",
                3600,
                "--output",
                file)) {
      Await.until("jcmd to ask the one", () -> isAsked(profile, stuck.pid()));
      Process python = Jvm.start(List.of("/usr/bin/python3", "-c", "while True: pass"));
      use(1_000_000_000, python.pid());
      python.destroyForcibly().onExit().join();
      long jvm;
      try (ProfileChild child = new ProfileChild(List.of(), pinned.pin(), WHOLE)) {
        jvm = child.pid();
        use(1_000_000_000, jvm);
      }
      JsonObject summary = TopProcess.parse(json(profile.end("INT")));
      assertThat(summary.getLong("jvms_without_answer")).isPositive();
      assertThat(lines(file))
          .anyMatch(line -> line.isOf(python.pid()) && line.has("_PyEval_EvalFrameDefault"))
          .anyMatch(line -> line.isOf(jvm) && line.has("thread_native_entry"));
    }
  }

  /** Each is a JVM that uses the processors, and asking it takes another. */
  @Test
  void itsOwnJcmdsAreNotAsked() throws Exception {
    share(Wire.C);
    try (ProfileChild child = new ProfileChild(List.of(), pinned.pin(), WHOLE);
        StuckChild stuck = new StuckChild();
        TopProcess profile =
            new TopProcess(
                "profile",
                "--by",
                "process",
                "--frequency",
                499,
                "--duration",
                3600,
                "--output",
                folder.resolve("stacks.html"))) {
      Await.until("jcmd to ask the one", () -> isAsked(profile, stuck.pid()));
      long jcmd = asking(profile, stuck.pid()).orElseThrow().pid();
      long used = TopCounts.Reader.procTime(child.pid());
      Await.until(
          "more processor time",
          () -> {
            assertThat(asking(profile, jcmd)).as("who asks the jcmd").isEmpty();
            return TopCounts.Reader.procTime(child.pid()) >= used + 3_000_000_000L;
          });
    }
  }

  /** Waits until a process has used more processor time. */
  private static void use(long nanos, long pid) {
    long used = TopCounts.Reader.procTime((int) pid);
    Await.until("more processor time", () -> TopCounts.Reader.procTime((int) pid) >= used + nanos);
  }

  private static String json(List<String> said) {
    return said.stream().filter(line -> line.startsWith("{")).findFirst().orElseThrow();
  }

  /** {@return whether a command asks a JVM now} */
  private static boolean isAsked(TopProcess command, long pid) {
    return asking(command, pid).isPresent();
  }

  /** {@return the jcmd of a command that asks a JVM now} */
  private static Optional<ProcessHandle> asking(TopProcess command, long pid) {
    return ProcessHandle.of(command.pid()).stream()
        .flatMap(ProcessHandle::children)
        .filter(
            child -> {
              String line = child.info().commandLine().orElse("");
              return line.contains("jcmd") && line.contains(" " + pid + " ");
            })
        .findFirst();
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
  void aJvmOfAnotherUserHasNamesToo() throws Exception {
    share(Wire.C);
    Path file = folder.resolve("stacks");
    try (ProfileChild child = new ProfileChild(ProfileChild.NOBODY, pinned.pin(), WHOLE)) {
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
