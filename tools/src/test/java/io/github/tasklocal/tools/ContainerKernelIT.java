// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Commands beside and inside a pid namespace in which an application is process 1. */
@KernelTest
class ContainerKernelIT {

  private static final List<String> NOTHING = List.of();

  private PinnedMap map;
  private SpinChild inside;
  private SpinChild outside;

  @BeforeEach
  void start() throws Exception {
    map = new PinnedMap(Wire.C);
    inside = new SpinChild(SpinChild.CONTAINER, map.pin(), 1001, "");
    outside = new SpinChild(NOTHING, map.pin(), 2002, "");
  }

  @AfterEach
  void end() throws Exception {
    try (PinnedMap _ = map;
        SpinChild _ = inside;
        SpinChild _ = outside) {}
  }

  /**
   * Runs a command in the namespace.
   *
   * @param mounts whether also with the mounts there, of which /proc is one
   * @return what it printed
   */
  private String inside(boolean mounts, Object... arguments) {
    List<String> command = new ArrayList<>(List.of("nsenter", "-t", "" + inside.pid(), "--pid"));
    if (mounts) {
      command.add("--mount");
    }
    command.addAll(
        Jvm.command(
            Jvm.shortLived(),
            Jvm.join(Jvm.classPath()),
            Tools.class,
            Stream.of(arguments).map(Object::toString).toArray(String[]::new)));
    return Jvm.output(command);
  }

  private JsonObject topInside(boolean mounts, Object... more) {
    List<Object> arguments = new ArrayList<>(List.of("top", "--once", "--json", "--pin"));
    arguments.addAll(List.of(map.pin(), "--key", SpinChild.KEY));
    arguments.addAll(List.of(more));
    return TopProcess.parse(inside(mounts, arguments.toArray()));
  }

  private static List<String> texts(JsonObject interval) {
    return interval.getArray("rows").stream()
        .map(row -> ((JsonObject) row).getString("text"))
        .toList();
  }

  @Test
  void aProcessIsFoundByItsOwnIdAndShownWithBoth() {
    for (String keys :
        List.of(
            inside(true, "keys", "--pin", map.pin(), 1),
            Command.run("keys", "--pin", map.pin(), inside.pid()).out(),
            Command.run("keys", "--pin", map.pin(), 1).out())) {
      assertThat(keys)
          .contains("own process")
          .containsPattern("(?m)^ *" + inside.pid() + " +1 +java +.* spin\\.int$")
          .doesNotContain("" + outside.pid());
    }
    JsonObject directory =
        Command.run("keys", "--json", "--pin", map.pin(), inside.pid())
            .json()
            .getArray("directories")
            .getObject(0);
    assertThat(directory.getInt("pid")).isEqualTo(inside.pid());
    assertThat(directory.getInt("own_pid")).isEqualTo(1);
  }

  @Test
  void threadsAreShownWithBothIds() {
    JsonObject process =
        TopProcess.parse(inside(true, "dump", "--json", "--pin", map.pin(), "--pid", 1))
            .getArray("processes")
            .getObject(0);
    assertThat(process.getInt("pid")).isEqualTo(inside.pid());
    assertThat(process.getInt("own_pid")).isEqualTo(1);
    JsonObject thread = process.getArray("threads").getObject(0);
    assertThat(thread.getInt("own_tid")).isEqualTo(inside.spinning());
    assertThat(Command.run("dump", "--pin", map.pin()).out())
        .containsPattern(
            "(?m)^ *%d +%d +1 +%d +"
                .formatted(inside.pid(), thread.getInt("tid"), inside.spinning()))
        .containsPattern(
            "(?m)^ *%1$d +%2$d +%1$d +%2$d +".formatted(outside.pid(), outside.spinning()));
  }

  @Test
  void aTableOfProcessesOfTheFirstNamespaceHasTheirIdsOnce() {
    assertThat(Command.run("keys", "--pin", map.pin(), outside.pid()).out())
        .doesNotContain("own process")
        .containsPattern("(?m)^ *" + outside.pid() + " +java +");
  }

  @Test
  void topSeesTheProcessesOfItsNamespaceAndComparesThemWithProc() {
    for (boolean mounts : new boolean[] {true, false}) {
      JsonObject interval = topInside(mounts);
      assertThat(texts(interval)).contains("1001").doesNotContain("2002");
      assertThat(interval.getObject("processes").getInt("count")).isEqualTo(1);
      assertThat(interval.getObject("processes").getInt("compared")).isEqualTo(1);
      assertThat(interval.getObject("processes").getLong("proc_ns")).isPositive();
    }
    String words =
        inside(true, "top", "--once", "--pin", map.pin(), "--key", SpinChild.KEY, "--pid", 1);
    assertThat(words).contains("of /proc's ", "; 1 process, ").doesNotContain("no process lived");
  }

  @Test
  void topTakesTheIdOfAProcessInItsNamespace() {
    assertThat(texts(topInside(true, "--pid", 1))).contains("1001");
    JsonObject host =
        Command.run(
                "top",
                "--once",
                "--json",
                "--pin",
                map.pin(),
                "--key",
                SpinChild.KEY,
                "--pid",
                inside.pid())
            .json();
    assertThat(texts(host)).contains("1001").doesNotContain("2002");
    assertThat(host.getObject("processes").getInt("compared")).isEqualTo(1);
  }

  @Test
  void traceSeesTheThreadsOfItsNamespace() {
    String[] trace = {"trace", "--pin", "" + map.pin(), "--key", SpinChild.KEY, "--seconds", "1"};
    List<String> lines = inside(true, (Object[]) trace).lines().toList();
    assertThat(lines)
        .isNotEmpty()
        .allMatch(line -> line.contains(" " + inside.pid() + "(1)/"))
        .anyMatch(line -> line.endsWith("-> 1001"));
    assertThat(Command.run((Object[]) trace).out())
        .contains(" " + outside.pid() + "/" + outside.spinning() + " ");
  }
}
