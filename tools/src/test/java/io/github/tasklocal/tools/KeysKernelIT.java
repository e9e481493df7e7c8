// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.kit.seen.ThreadValues;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.PinnedMap.PinDirectory;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@KernelTest
class KeysKernelIT {

  /** In the order in which {@link ValuesChild} makes them. */
  private static final List<String> NAMES =
      List.of(
          "a.boolean",
          "a.byte",
          "a.short",
          "a.char",
          "an.int",
          "a.long",
          "a.float",
          "a.double",
          "a.text");

  private static final List<Integer> SIZES = List.of(1, 1, 2, 2, 4, 8, 4, 8, 24);

  @ParameterizedTest
  @EnumSource(Wire.class)
  void theKeysOfAProcessHaveNamesOffsetsAndSizesWhereTheWireKnowsThem(Wire wire) throws Exception {
    try (PinnedMap map = new PinnedMap(wire);
        ValuesProcess child = new ValuesProcess(map.pin(), 5)) {
      JsonObject document = Command.run("keys", "--json", "--pin", map.pin(), child.pid()).json();
      assertThat(document.getString("wire")).isEqualTo(wire.name());
      assertThat(document.getArray("directories")).hasSize(1);
      JsonObject directory = document.getArray("directories").getObject(0);
      assertThat(directory.getInt("pid")).isEqualTo(child.pid());
      assertThat(directory.getString("comm")).isEqualTo("java");
      assertThat(directory.getInt("threads")).isEqualTo(5);
      assertThat(directory.getArray("keys")).hasSize(NAMES.size());
      for (int i = 0; i < NAMES.size(); i++) {
        JsonObject key = directory.getArray("keys").getObject(i);
        assertThat(key.getString("name")).isEqualTo(NAMES.get(i));
        assertThat(key.get("size")).isEqualTo(wire == Wire.A ? null : SIZES.get(i));
        assertThat(directory.getInt("start") + key.getInt("offset"))
            .isEqualTo(DataPage.START + 8 * i);
      }
    }
  }

  @Test
  void aPinShowsTheKeysOfAllItsProcesses() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        ValuesProcess first = new ValuesProcess(map.pin(), 2);
        ValuesProcess second = new ValuesProcess(map.pin(), 3)) {
      Command keys = Command.run("keys", map.pin());
      assertThat(keys.exit()).isZero();
      assertThat(keys.err()).isEmpty();
      List<String> lines = keys.out().lines().toList();
      assertThat(lines).hasSize(1 + 2 * NAMES.size());
      assertThat(lines.getFirst()).matches("process +comm +threads +offset +size +key");
      assertThat(lines)
          .anyMatch(line -> line.matches(" *" + first.pid() + " +java +2 +32 +4 +an\\.int"))
          .anyMatch(line -> line.matches(" *" + second.pid() + " +java +3 +32 +4 +an\\.int"));
    }
  }

  @Test
  void aProcessThatHasNotRegisteredFailsWithWhatItHasToDo() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C)) {
      Command keys = Command.run("keys", "--pin", map.pin(), 1);
      assertThat(keys.exit()).isEqualTo(1);
      assertThat(keys.err())
          .contains("no thread of process 1 has registered")
          .contains("-Dtasklocal.map=" + map.pin());
    }
  }

  @Test
  void aPathThatIsNoMapFailsWithWhatIsThere() {
    Command keys = Command.run("keys", "/proc/self/status");
    assertThat(keys.exit()).isEqualTo(1);
    assertThat(keys.err()).contains("bpffs");
  }

  @Test
  void noMapIsMadeWhereAPinIsNamedThatIsNotThere() throws Exception {
    try (PinDirectory directory = new PinDirectory()) {
      Command keys = Command.run("keys", directory.path("slip"));
      assertThat(keys.exit()).isEqualTo(1);
      assertThat(keys.err()).contains(directory.path("slip").toString(), "there is no such file");
      try (var files = Files.list(directory.root())) {
        assertThat(files).isEmpty();
      }
    }
  }

  /** As where a native library with the kernel's C header shares values beside this library. */
  @Test
  void aProcessWithTwoPagesOfKeysHasBothShown() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        TaskLocalMap _ = TaskLocalMap.open(map.pin());
        Busy other = new Busy()) {
      TaskLocal.of("it.keys", JAVA_LONG).set(1);
      Await.change(
          "two threads with entries",
          () -> ThreadValues.look(map.object(), Wire.C).size(),
          count -> count == 2,
          () -> other.stay(() -> enterKey(map, "another")));
      Command keys = Command.run("keys", map.pin());
      assertThat(keys.out()).containsPattern(" 1 +0 +8 +another\n").contains("it.keys");
    }
  }

  /** So many bytes that some runs of the program overflow the kernel's buffer, and are undone. */
  @Test
  void noPageOfKeysIsLostWhereTheBufferIsFull() throws Exception {
    int count = 100;
    try (PinnedMap map = new PinnedMap(Wire.C);
        Busy threads = new Busy()) {
      AtomicInteger entered = new AtomicInteger();
      for (int i = 0; i < count; i++) {
        String name = "own." + i;
        threads.stay(
            () -> {
              enterKey(map, name);
              entered.incrementAndGet();
            });
      }
      Await.until("threads with entries", entered::get, number -> number == count);
      JsonObject document = Command.run("keys", "--json", map.pin()).json();
      List<String> names = new ArrayList<>();
      for (Object directory : document.getArray("directories")) {
        names.add(((JsonObject) directory).getArray("keys").getObject(0).getString("name"));
      }
      assertThat(names).hasSize(count).doesNotHaveDuplicates().allMatch(n -> n.startsWith("own."));
    }
  }

  /** Registers the calling thread with a page of keys of its own, which has one key. */
  private static void enterKey(PinnedMap map, String name) {
    RawEntry entry = new RawEntry(Wire.C);
    entry.key(0, name, 8);
    entry.enter(map.object().map(Wire.C.mapName()).fd(), true, true, 0, 8);
  }
}
