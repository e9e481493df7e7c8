// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.kit.seen.ThreadValues;
import io.github.tasklocal.layout.SeenKey;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

@KernelTest
class DumpKernelIT {

  private static final TaskLocal.OfLong FIRST = TaskLocal.of("it.first", JAVA_LONG);
  private static final TaskLocal.OfLong SECOND = TaskLocal.of("it.second", JAVA_LONG);

  /** {@return the threads of the only process, by comm} */
  private static Map<String, JsonObject> threads(JsonObject document) {
    JsonArray processes = document.getArray("processes");
    assertThat(processes).hasSize(1);
    Map<String, JsonObject> threads = new HashMap<>();
    for (Object thread : processes.getObject(0).getArray("threads")) {
      threads.put(((JsonObject) thread).getString("comm"), (JsonObject) thread);
    }
    return threads;
  }

  @ParameterizedTest
  @EnumSource(Wire.class)
  void theValuesOfEachThreadAreShownAsTheirTypesSay(Wire wire) throws Exception {
    try (PinnedMap map = new PinnedMap(wire);
        ValuesProcess child = new ValuesProcess(map.pin(), 30)) {
      JsonObject document =
          Command.run(
                  "dump",
                  "--json",
                  "--pin",
                  map.pin(),
                  "--pid",
                  child.pid(),
                  "--key",
                  "a.boolean:boolean",
                  "--key",
                  "a.byte:byte",
                  "--key",
                  "a.short:short",
                  "--key",
                  "a.char:char",
                  "--key",
                  "an.int:int",
                  "--key",
                  "a.long:long",
                  "--key",
                  "a.float:float",
                  "--key",
                  "a.double:double",
                  "--key",
                  "a.text:string")
              .json();
      assertThat(document.getString("wire")).isEqualTo(wire.name());
      assertThat(document.getArray("processes").getObject(0).getInt("pid")).isEqualTo(child.pid());
      Map<String, JsonObject> threads = threads(document);
      assertThat(threads).hasSize(30);
      for (int i = 0; i < 30; i++) {
        JsonObject values = threads.get("t" + i).getObject("values");
        assertThat(values).hasSize(9);
        assertThat(values.getBoolean("a.boolean")).isEqualTo(i % 2 == 1);
        assertThat(values.getInt("a.byte")).isEqualTo(-i);
        assertThat(values.getInt("a.short")).isEqualTo(-1000 - i);
        assertThat(values.getString("a.char")).isEqualTo("" + (char) ('a' + i % 26));
        assertThat(values.getInt("an.int")).isEqualTo(-100_000 - i);
        assertThat(values.getLong("a.long")).isEqualTo(-10_000_000_000L - i);
        assertThat(values.getDouble("a.float")).isEqualTo(i + 0.5);
        assertThat(values.getDouble("a.double")).isEqualTo(i + 0.25);
        assertThat(values.getString("a.text")).isEqualTo("text " + i);
        assertThat(threads.get("t" + i).getArray("changing")).isEmpty();
      }
    }
  }

  @Test
  void theValuesOfAVirtualThreadAreShownForItsCarrier() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        ValuesProcess child = ValuesProcess.ofVirtual(map.pin())) {
      Map<String, JsonObject> threads =
          threads(
              Command.run(
                      "dump",
                      "--json",
                      "--pin",
                      map.pin(),
                      "--pid",
                      child.pid(),
                      "--key",
                      "an.int:int",
                      "--key",
                      "a.text:string")
                  .json());
      assertThat(threads).hasSize(1);
      JsonObject carrier = threads.get("ForkJoinPool-1-");
      assertThat(carrier).as(threads.toString()).isNotNull();
      assertThat(carrier.getObject("values").getInt("an.int")).isEqualTo(-100_000);
      assertThat(carrier.getObject("values").getString("a.text")).isEqualTo("text 0");
    }
  }

  @ParameterizedTest
  @EnumSource(Wire.class)
  void withoutKeysAllAreShownAsTheBytesInMemory(Wire wire) throws Exception {
    try (PinnedMap map = new PinnedMap(wire);
        ValuesProcess _ = new ValuesProcess(map.pin(), 1)) {
      JsonObject values =
          threads(Command.run("dump", "--json", "--pin", map.pin()).json())
              .get("t0")
              .getObject("values");
      assertThat(values.keySet())
          .containsExactlyInAnyOrder(
              "a.boolean",
              "a.byte",
              "a.short",
              "a.char",
              "an.int",
              "a.long",
              "a.float",
              "a.double",
              "a.text");
      String four =
          HexFormat.of()
              .formatHex(
                  ByteBuffer.allocate(4).order(ByteOrder.nativeOrder()).putInt(-100_000).array());
      // Wire A knows no sizes, and shows what there is up to the next value.
      assertThat(values.getString("an.int")).isEqualTo(wire == Wire.A ? four + "00000000" : four);
      String text = HexFormat.of().formatHex("text 0".getBytes(StandardCharsets.US_ASCII));
      assertThat(values.getString("a.text"))
          .isEqualTo(wire == Wire.A ? text + "0000" : text + "00".repeat(18));
    }
  }

  @Test
  void theTableHasALineForEachThread() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        ValuesProcess child = new ValuesProcess(map.pin(), 2)) {
      Command dump =
          Command.run("dump", "--pin", map.pin(), "--key", "an.int:int", "--key", "a.text:string");
      assertThat(dump.exit()).isZero();
      assertThat(dump.err()).isEmpty();
      List<String> lines = dump.out().lines().toList();
      assertThat(lines).hasSize(3);
      assertThat(lines.get(0)).matches("process +thread +comm +an\\.int +a\\.text");
      assertThat(lines.subList(1, 3))
          .anyMatch(line -> line.matches(" *" + child.pid() + " +\\d+ +t0 +-100000 +\"text 0\""))
          .anyMatch(line -> line.matches(" *" + child.pid() + " +\\d+ +t1 +-100001 +\"text 1\""));
      assertThat(Command.run("dump", "--pin", map.pin()).out())
          .contains("an.int=")
          .contains(" a.boolean=00 ")
          .contains(" a.boolean=01 ");
    }
  }

  @Test
  void oneProcessOfTwoCanBeShown() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        ValuesProcess _ = new ValuesProcess(map.pin(), 3);
        ValuesProcess second = new ValuesProcess(map.pin(), 4)) {
      JsonObject both = Command.run("dump", "--json", "--pin", map.pin()).json();
      assertThat(both.getArray("processes")).hasSize(2);
      JsonObject one =
          Command.run("dump", "--json", "--pin", map.pin(), "--pid", second.pid()).json();
      assertThat(threads(one)).hasSize(4);
      Command none = Command.run("dump", "--pin", map.pin(), "--pid", 1);
      assertThat(none.exit()).isEqualTo(1);
      assertThat(none.err()).contains("no thread of process 1 has registered with the map");
      assertThat(Command.run("dump", "--pin", map.pin(), "--pid", "x").exit()).isEqualTo(2);
      assertThat(Command.run("dump", "--pin", map.pin(), "--pid", 0).exit()).isEqualTo(2);
    }
  }

  @Test
  void aKeyThatNobodyHasFailsWithTheKeysThatThereAre() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        ValuesProcess _ = new ValuesProcess(map.pin(), 1)) {
      Command dump = Command.run("dump", "--pin", map.pin(), "--key", "an.int:itn");
      assertThat(dump.exit()).isEqualTo(1);
      assertThat(dump.out()).isEmpty();
      assertThat(dump.err())
          .contains("no thread has the key \"an.int:itn\"")
          .contains("a.double, a.float")
          .contains("A TYPE is boolean");
    }
  }

  @Test
  void aTypeOfAnotherSizeIsNotedAndTheBytesAreShown() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        ValuesProcess _ = new ValuesProcess(map.pin(), 1)) {
      Command dump = Command.run("dump", "--pin", map.pin(), "--key", "an.int:long");
      assertThat(dump.exit()).isZero();
      assertThat(dump.err())
          .contains("an.int")
          .contains("has values of 4 bytes, but the type long has 8: shown as bytes");
      assertThat(dump.out().lines().toList().get(1)).matches(".* [0-9a-f]{8}");
    }
  }

  @Test
  void aMapWithoutThreadsSaysHowToRegister() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.B)) {
      Command dump = Command.run("dump", "--pin", map.pin());
      assertThat(dump.exit()).isZero();
      assertThat(dump.out()).isEmpty();
      assertThat(dump.err()).contains("-Dtasklocal.map=" + map.pin());
      assertThat(Command.run("dump", "--json", "--pin", map.pin()).json().getArray("processes"))
          .isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource(Wire.class)
  void theValuesOfAThreadBelongToOneMoment(Wire wire) throws Exception {
    try (PinnedMap map = new PinnedMap(wire);
        TaskLocalMap _ = TaskLocalMap.open(map.pin());
        Busy writer = new Busy()) {
      FIRST.set(0);
      // Now and then it rests, so that some looks at it agree; mostly it does not, or on a busy
      // machine it would never write during a look.
      long[] next = {1};
      writer.start(
          () -> {
            for (int i = 0; i < 1 << 18; i++) {
              FIRST.set(next[0]);
              SECOND.set(next[0]++);
            }
            Busy.rest(0);
          });
      Map<String, Integer> looks = new HashMap<>();
      Await.until(
          "50 looks that agree and 5 that do not",
          () -> {
            for (ThreadValues thread : ThreadValues.look(map.object(), wire)) {
              SeenKey first = thread.key("it.first");
              SeenKey second = thread.key("it.second");
              if (thread.changing(first) || thread.changing(second)) {
                looks.merge("changing", 1, Integer::sum);
              } else {
                long a = thread.value(first).get(JAVA_LONG.withByteAlignment(1), 0);
                long b = thread.value(second).get(JAVA_LONG.withByteAlignment(1), 0);
                assertThat(a - b).isBetween(0L, 1L);
                looks.merge("whole", a > 0 ? 1 : 0, Integer::sum);
              }
            }
            return looks;
          },
          seen -> seen.getOrDefault("whole", 0) >= 50 && seen.getOrDefault("changing", 0) >= 5);
    }
  }

  @ParameterizedTest
  @EnumSource(Wire.class)
  void thousandsOfThreadsAreThereOnceEach(Wire wire) throws Exception {
    try (PinnedMap map = new PinnedMap(wire);
        ValuesProcess _ = new ValuesProcess(map.pin(), 3000)) {
      List<ThreadValues> threads = ThreadValues.look(map.object(), wire);
      assertThat(threads).hasSize(3000);
      assertThat(threads.stream().map(ThreadValues::thread).distinct()).hasSize(3000);
      for (ThreadValues thread : threads) {
        int number = Integer.parseInt(thread.comm().substring(1));
        MemorySegment value = thread.value(thread.key("an.int"));
        assertThat(value.get(JAVA_INT.withByteAlignment(1), 0)).isEqualTo(-100_000 - number);
      }
    }
  }

  @Test
  void threadsThatComeAndGoAreShownWithTheirKeysOrNotAtAll() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        TaskLocalMap _ = TaskLocalMap.open(map.pin());
        Busy churn = new Busy()) {
      churn.start(
          () -> {
            Thread[] threads = new Thread[8];
            for (int i = 0; i < threads.length; i++) {
              threads[i] = Thread.ofPlatform().daemon().start(() -> FIRST.set(7));
            }
            for (Thread thread : threads) {
              thread.join();
            }
          });
      Set<Integer> seen = new HashSet<>();
      Await.until(
          "100 threads that have been seen",
          () -> {
            for (ThreadValues thread : ThreadValues.look(map.object(), Wire.C)) {
              assertThat(thread.key("it.first")).isNotNull();
              seen.add(thread.thread());
            }
            return seen.size();
          },
          count -> count >= 100);
    }
  }

  @ParameterizedTest
  @EnumSource(Wire.class)
  void pagesOfGarbageDoNoHarm(Wire wire) throws Exception {
    try (PinnedMap map = new PinnedMap(wire)) {
      int fd = map.object().map(wire.mapName()).fd();
      inThread(
          () -> {
            Random random = new Random(6);
            RawEntry entry = new RawEntry(wire);
            for (int i = 0; i < 600; i++) {
              fill(entry.data(), random);
              fill(entry.more(), random);
              fill(entry.keys(), random);
              if (i % 2 == 0) {
                entry.count(random.nextInt(80));
              }
              int start = random.nextBoolean() ? random.nextInt(64) : random.nextInt();
              entry.enter(fd, i % 10 != 3, i % 10 != 4, random.nextInt(), start);
              List<ThreadValues> threads = ThreadValues.look(map.object(), wire);
              assertThat(threads).hasSize(1);
              for (SeenKey key : threads.getFirst().keys()) {
                MemorySegment value = threads.getFirst().value(key);
                assertThat(value == null || value.byteSize() <= 4096).isTrue();
                assertThat(threads.getFirst().changing(key)).isFalse();
              }
              if (i % 60 == 0 || i % 60 == 33) {
                commandsDoNotMind(map);
              }
            }
          });
    }
  }

  private static void commandsDoNotMind(PinnedMap map) {
    assertThat(Command.run("dump", "--pin", map.pin(), "--json").json().getArray("processes"))
        .hasSize(1);
    assertThat(Command.run("keys", map.pin(), "--json").json().getArray("directories")).hasSize(1);
    Command dump = Command.run("dump", "--pin", map.pin());
    Command keys = Command.run("keys", map.pin());
    assertThat(List.of(dump.exit(), keys.exit())).containsOnly(0);
    assertThat((dump.out() + keys.out()).chars())
        .allMatch(c -> c == '\n' || !Character.isISOControl(c));
  }

  private static void fill(MemorySegment page, Random random) {
    byte[] bytes = new byte[(int) page.byteSize()];
    random.nextBytes(bytes);
    MemorySegment.copy(bytes, 0, page, JAVA_BYTE, 0, bytes.length);
  }

  @Test
  void namesThatWouldHarmATerminalAreEscaped() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C)) {
      int fd = map.object().map(Wire.C.mapName()).fd();
      inThread(
          () -> {
            RawEntry entry = new RawEntry(Wire.C);
            entry.key(0, "evil\033[2J\n\"key\"", 8);
            entry.data().set(JAVA_LONG, 8, 7);
            entry.enter(fd, true, true, 0, 8);
            assertThat(Command.run("dump", "--pin", map.pin()).out())
                .contains("evil\\u001b[2J\\n\"key\"=0700000000000000");
            assertThat(Command.run("keys", map.pin()).out()).contains("evil\\u001b[2J\\n\"key\"");
            assertThat(
                    threads(Command.run("dump", "--json", "--pin", map.pin()).json())
                        .values()
                        .iterator()
                        .next()
                        .getObject("values"))
                .containsKey("evil\033[2J\n\"key\"");
          });
    }
  }

  @Test
  void aValueThatEndsOutsideOfThePageIsNotReadable() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C)) {
      int fd = map.object().map(Wire.C.mapName()).fd();
      inThread(
          () -> {
            RawEntry entry = new RawEntry(Wire.C);
            entry.key(0, "fits", 4096 - 16);
            entry.key(1, "last", 8);
            entry.key(2, "over", 1);
            entry.data().set(JAVA_LONG, 4096 - 8, -1);
            entry.enter(fd, true, true, 0, 8);
            assertThat(
                    Command.run(
                            "dump", "--pin", map.pin(), "--key", "last:long", "--key", "over:byte")
                        .out())
                .containsPattern(" -1 +\\?\n");
            JsonObject values = values(map, "--key", "last:long", "--key", "over:byte");
            assertThat(values.getLong("last")).isEqualTo(-1);
            assertThat(values).containsEntry("over", null);
          });
    }
  }

  /** BPF programs ignore how many bytes a process says it has reserved. */
  @ParameterizedTest
  @EnumSource(
      value = Wire.class,
      names = {"B", "C"})
  void aValueIsReadWhereBpfProgramsReadIt(Wire wire) throws Exception {
    try (PinnedMap map = new PinnedMap(wire)) {
      int fd = map.object().map(wire.mapName()).fd();
      inThread(
          () -> {
            RawEntry entry = new RawEntry(wire);
            for (int i = 0; i < 3; i++) {
              entry.key(i, "key." + i, i == 1 ? 5 : 8);
              entry.data().set(JAVA_LONG, 16 + 8 * i, 70 + i);
            }
            entry.data().set(JAVA_LONG, 40, -1); // another thread's, for all we know
            for (int reserved : new int[] {0, 8, 17, 24, 4000}) {
              entry.reserved(reserved);
              entry.enter(fd, true, true, 0, 16);
              JsonObject values = values(map, "--key", "key.0:long", "--key", "key.2:long");
              assertThat(values.getLong("key.0")).isEqualTo(70);
              assertThat(values.getLong("key.2")).isEqualTo(72);
              assertThat(values(map).getString("key.1")).isEqualTo("4700000000");
            }
          });
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 3", "3, 1", "0, 2"})
  void onWireAEachThreadHasAsManyKeysAsItsEntrySays(int first, int second) throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.A)) {
      int fd = map.object().map(Wire.A.mapName()).fd();
      RawEntry entry = new RawEntry(Wire.A);
      for (int i = 0; i < 3; i++) {
        entry.key(i, "key." + i, 8 + 8 * i);
        entry.data().set(JAVA_LONG, 8 + 8 * i, -1);
      }
      inThread(
          () -> {
            entry.enter(fd, true, true, first, 0);
            inThread(
                () -> {
                  entry.enter(fd, true, true, second, 0);
                  List<ThreadValues> threads = ThreadValues.look(map.object(), Wire.A);
                  assertThat(threads)
                      .extracting(thread -> thread.keys().size())
                      .containsExactlyInAnyOrder(first, second);
                  for (ThreadValues thread : threads) {
                    for (SeenKey key : thread.keys()) {
                      assertThat(thread.value(key).byteSize())
                          .isEqualTo(key.name().equals("key.2") ? 64 : 8);
                    }
                  }
                  assertThat(
                          Command.run("keys", "--json", map.pin())
                              .json()
                              .getArray("directories")
                              .getObject(0)
                              .getArray("keys"))
                      .hasSize(Math.max(first, second));
                });
          });
    }
  }

  /** {@return the values of the only thread} */
  private static JsonObject values(PinnedMap map, String... options) {
    Object[] command = new Object[options.length + 4];
    List.of("dump", "--json", "--pin", map.pin()).toArray(command);
    System.arraycopy(options, 0, command, 4, options.length);
    return threads(Command.run(command).json()).values().iterator().next().getObject("values");
  }

  @Test
  void aKeyThatIsGivenTwiceIsABadOption() {
    Command dump = Command.run("dump", "--key", "k:string", "--key", "k:bytes");
    assertThat(dump.exit()).isEqualTo(2);
    assertThat(dump.err()).contains("--key k is given twice");
  }

  @Test
  void inAnotherPidNamespaceItSaysThatOthersCannotBeSeen() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        ValuesProcess _ = new ValuesProcess(map.pin(), 1)) {
      List<String> command =
          new ArrayList<>(List.of("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"));
      command.addAll(ToolsJar.java());
      command.addAll(List.of("-XX:-UsePerfData", "-jar", System.getProperty("tasklocal.toolsJar")));
      command.addAll(List.of("dump", "--pin", map.pin().toString()));
      Jvm.Result dump = Jvm.run(command);
      assertThat(dump.output())
          .contains("no thread has registered")
          .contains("only threads of this pid namespace can be seen", "--pid=host");
      assertThat(dump.exit()).isZero();
    }
  }

  /** Runs in a thread that has not used a key, and so has no entry of the library's. */
  private static void inThread(Busy.Work work) {
    try (Busy thread = new Busy()) {
      thread.once(work);
    }
  }
}
