// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** A map that is opened by the property {@code tasklocal.map}, not by code. */
@KernelTest
class MapPropertyKernelIT {

  private static final Map<Wire, Path> FILES = new EnumMap<>(Wire.class);

  private Bpffs bpffs;

  @BeforeAll
  static void compile(@TempDir Path folder) throws IOException {
    for (Wire wire : Wire.values()) {
      Path each = Files.createDirectory(folder.resolve(wire.name()));
      FILES.put(wire, BpfView.compile(each, wire));
    }
  }

  @BeforeEach
  void mount() throws IOException {
    bpffs = new Bpffs("rwxr-xr-x");
  }

  @AfterEach
  void unmount() throws IOException {
    bpffs.close();
  }

  @ParameterizedTest
  @EnumSource
  void aMapThatIsThereBeforeTheFirstKeyIsShared(Wire wire) throws Exception {
    try (BpfView view = BpfView.load(FILES.get(wire), wire)) {
      view.map().pin(bpffs.path("map"));
      try (Sharing child = new Sharing(command("-Dtasklocal.map=" + bpffs.path("map")))) {
        assertThat(view.of(child.tid)).isEqualTo(41);
        assertThat(child.end()).isEqualTo("ok\n");
      }
    }
  }

  @Test
  void aMapThatIsPinnedLaterIsSharedAndSoIsTheOneThatReplacesIt() throws Exception {
    Path pin = bpffs.path("map");
    try (Sharing child = new Sharing(command("-Dtasklocal.map=" + pin))) {
      for (Wire wire : Wire.values()) {
        try (BpfView view = BpfView.load(FILES.get(wire), wire)) {
          Await.change(
              "the value in a new map", () -> is41(view, child), () -> view.map().pin(pin));
        }
      }
      assertThat(child.end()).isEqualTo("ok\n");
    }
  }

  private static boolean is41(BpfView view, Sharing child) {
    return view.of(child.tid) == 41;
  }

  @Test
  void theAgentNamesTheMapUnlessThePropertyDoes() throws Exception {
    String agent = "-javaagent:" + System.getProperty("tasklocal.jar");
    try (BpfView view = BpfView.load(FILES.get(Wire.C), Wire.C)) {
      view.map().pin(bpffs.path("map"));
      try (Sharing child = new Sharing(command(agent + "=" + bpffs.path("map")))) {
        assertThat(view.of(child.tid)).isEqualTo(41);
        assertThat(child.end()).isEqualTo("ok\n");
      }
      Jvm.Result both = keys(agent + "=" + bpffs.path("map"), "-Dtasklocal.map=nowhere");
      assertThat(both.output()).contains("-Dtasklocal.map=nowhere is ignored");
    }
  }

  @Test
  void defaultIsTheDefaultPin() throws Exception {
    assertThat(TaskLocalMap.defaultPin()).hasToString("/sys/fs/bpf/tasklocal/tld_data_map");
    Files.createDirectory(bpffs.path("tasklocal"));
    try (BpfView view = BpfView.load(FILES.get(Wire.C), Wire.C)) {
      view.map().pin(bpffs.path("tasklocal/tld_data_map"));
      // In a mount namespace of its own, the child has this bpffs at the usual place.
      List<String> command =
          new ArrayList<>(
              List.of(
                  "unshare",
                  "--mount",
                  "sh",
                  "-c",
                  "mount --bind \"$0\" /sys/fs/bpf && exec \"$@\"",
                  bpffs.folder().toString()));
      command.addAll(command("-Dtasklocal.map=default"));
      try (Sharing child = new Sharing(command)) {
        assertThat(view.of(child.tid)).isEqualTo(41);
        assertThat(child.end()).isEqualTo("ok\n");
      }
    } finally {
      Files.delete(bpffs.path("tasklocal"));
    }
  }

  /** As wire A needs it where its BTF cannot be read. */
  @Test
  void theWireCanBeNamed() throws Exception {
    Path pin = bpffs.path("map");
    try (BpfView view = BpfView.load(FILES.get(Wire.A), Wire.A)) {
      view.map().pin(pin);
      Jvm.Result right = keys("-Dtasklocal.map=" + pin, "-Dtasklocal.map.wire=A");
      assertThat(right.output()).isEqualTo("ok\n");
      Jvm.Result wrong = keys("-Dtasklocal.map=" + pin, "-Dtasklocal.map.wire=C");
      assertThat(wrong.output())
          .contains("WARNING", pin.toString(), "Waiting for a map that can be opened")
          .endsWith("ok\n");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "'', is ignored",
    "map, neither \"default\" nor an absolute path",
    "Default, neither \"default\" nor an absolute path",
    "/etc/passwd, not on a bpffs",
  })
  void whatCannotBeWatchedIsLoggedOnceAndKeysWork(String pin, String problem) {
    Jvm.Result result = keys("-Dtasklocal.map=" + pin);
    assertThat(result.output()).containsOnlyOnce("WARNING").contains(problem).endsWith("ok\n");
  }

  @Test
  void anUnknownWireIsLoggedAndKeysWork() {
    Jvm.Result result = keys("-Dtasklocal.map=default", "-Dtasklocal.map.wire=D");
    assertThat(result.output())
        .containsOnlyOnce("WARNING")
        .contains("has to be A, B or C")
        .endsWith("ok\n");
  }

  @Test
  void aMissingLibbpfIsLoggedAndKeysWork(@TempDir Path folder) throws IOException {
    Files.createFile(folder.resolve("libbpf.so.1"));
    Jvm.Result result =
        Jvm.run(
            Children.mainCommand(
                ChildSteps.class, List.of("-Dtasklocal.map=" + bpffs.path("map")), "keys"),
            Map.of("LD_LIBRARY_PATH", folder.toString()));
    assertThat(result.output())
        .containsOnlyOnce("WARNING")
        .contains("install libbpf 1.1 or newer")
        .endsWith("ok\n");
  }

  @Test
  void aPinThatIsNotThereIsAwaitedInSilence() {
    assertThat(keys("-Dtasklocal.map=" + bpffs.path("map")).output()).isEqualTo("ok\n");
  }

  private static Jvm.Result keys(String... options) {
    return Jvm.run(Children.mainCommand(ChildSteps.class, List.of(options), "keys"));
  }

  private static List<String> command(String option) {
    return Children.readingCommand(ChildSteps.class, List.of(option), "share");
  }

  /** A process with a value that it shares without a line of code. */
  private static final class Sharing implements AutoCloseable {

    private final Process process;
    private final int tid;

    Sharing(List<String> command) throws IOException {
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
      tid = Integer.parseInt(process.inputReader(UTF_8).readLine());
    }

    String end() throws IOException, InterruptedException {
      process.getOutputStream().close();
      StringBuilder output = new StringBuilder();
      process.inputReader(UTF_8).lines().forEach(line -> output.append(line).append('\n'));
      Await.until("the end of the process", () -> !process.isAlive());
      return output.toString();
    }

    @Override
    public void close() {
      process.destroyForcibly();
    }
  }
}
