// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Values of a thread whose pages are made by hand, as the BPF programs read them. */
@KernelTest
class SeenValueKernelIT {

  private static final String PID = String.valueOf(ProcessHandle.current().pid());

  private Busy busy = new Busy();
  private PinnedMap pinned;

  @AfterEach
  void stop() throws Exception {
    try (PinnedMap _ = pinned) {
      busy.close();
    }
  }

  /** Starts a thread that spins, with pages that are filled by {@code pages}. */
  private RawEntry spin(Wire wire, int start, Consumer<RawEntry> pages) throws Exception {
    busy = new Busy();
    pinned = new PinnedMap(wire);
    int fd = pinned.object().map(wire.mapName()).fd();
    RawEntry entry = new RawEntry(wire);
    pages.accept(entry);
    CountDownLatch entered = new CountDownLatch(1);
    busy.spin(
        () -> {
          entry.enter(fd, true, true, 64, start);
          entered.countDown();
        });
    Await.until("the entry", () -> entered.getCount() == 0);
    return entry;
  }

  /** {@return the texts of the key's values, once there are any} */
  private Set<String> values(String key) {
    Object[] command = top(key, "--json", "--once");
    return Await.until(
        "values of " + key, () -> values(Command.run(command)), values -> !values.isEmpty());
  }

  private Object[] top(String key, Object... more) {
    List<Object> command = new ArrayList<>(List.of("top", "--pin", pinned.pin(), "--pid", PID));
    command.addAll(List.of("--key", key, "--interval", 0.3));
    command.addAll(List.of(more));
    return command.toArray();
  }

  private static Set<String> values(Command top) {
    assertThat(top.err()).isEmpty();
    return values(top.json());
  }

  /** {@return the values that were sampled, or seen otherwise, in an interval} */
  private static Set<String> values(JsonObject interval) {
    Set<String> values = new TreeSet<>();
    for (Object row : interval.getArray("rows")) {
      values.add(((JsonObject) row).getString("text"));
    }
    values.remove("(no entry)"); // this process's other threads
    return values;
  }

  @ParameterizedTest
  @EnumSource(names = {"B", "C"})
  void aValueThatWouldEndOutsideOfThePageIsNone(Wire wire) throws Exception {
    spin(
        wire,
        8,
        entry -> {
          entry.key(0, "fits", 4096 - 16);
          entry.key(1, "last", 8);
          entry.data().set(JAVA_LONG, 4096 - 8, -7);
        });
    assertThat(values("last")).containsExactly("-7");
    assertThat(values("fits:bytes")).containsExactly("00".repeat(64) + "..(4080 bytes)");
    stop();
    spin(wire, 8, entry -> entry.key(0, "big", 60_000));
    assertThat(values("big:bytes")).containsExactly("(outside)");
    assertThat(values("big:string")).containsExactly("(outside)");
  }

  @Test
  void onWireAAValueIsReadUpToTheEndOfItsPage() throws Exception {
    spin(
        Wire.A,
        0,
        entry -> {
          entry.key(0, "in", 4096 - 8);
          entry.key(1, "over", 4096 - 4);
          entry.key(2, "odd", 1001);
          entry.data().setString(4096 - 8, "abc");
          entry.data().setString(1001, "not aligned, and long");
        });
    assertThat(values("in:string")).containsExactly("\"abc\"");
    assertThat(values("in:int")).containsExactly("6513249");
    assertThat(values("over:long")).containsExactly("(outside)");
    assertThat(values("odd:string")).containsExactly("\"not aligned, and long\"");
  }

  @ParameterizedTest
  @CsvSource({"bytes, 6162630000000000", "string, '\"abc\"'"})
  void onWireAAKeyThatIsMadeLaterDoesNotChangeTheValueBeforeIts(String type, String text)
      throws Exception {
    RawEntry entry =
        spin(
            Wire.A,
            0,
            made -> {
              made.key(0, "early", 0);
              made.data().setString(0, "abc");
            });
    try (TopProcess top = new TopProcess(top("early:" + type, "--json"))) {
      top.awaitJson("the value", interval -> values(interval).equals(Set.of(text)));
      entry.key(1, "later", 8);
      AtomicLong next = new AtomicLong();
      busy.start(
          () -> {
            entry.data().set(JAVA_LONG, 8, next.incrementAndGet());
            Busy.rest(5);
          });
      // Each time with another value after it.
      for (int i = 0; i < 3; i++) {
        long before = next.get();
        Await.until("the later key's values", next::get, now -> now > before + 10);
        top.awaitJson("the value, again", interval -> !values(interval).isEmpty());
      }
      for (String line : top.end("INT")) {
        assertThat(values(TopProcess.parse(line))).isSubsetOf(text);
      }
    }
    assertThat(values("early:" + type)).containsExactly(text);
  }

  @Test
  void aStringCannotPassForAThreadWithoutAnEntryNorForAFormula() throws Exception {
    spin(
        Wire.C,
        0,
        entry -> {
          entry.key(0, "text", 16);
          entry.key(1, "cell", 16);
          entry.data().setString(0, "(no entry)");
          entry.data().setString(16, "=1+1");
        });
    assertThat(values("text:string")).containsExactly("\"(no entry)\"");
    Object[] csv = top("cell:string", "--once", "--csv");
    Await.until(
        "the cell", () -> Command.run(csv).out(), out -> out.contains(",\"\"\"=1+1\"\"\",true,"));
  }

  @Test
  void aKeyThatNoThreadHasIsReported() throws Exception {
    spin(Wire.C, 0, entry -> entry.key(0, "tenant", 8));
    Await.until(
        "a note that no thread has it",
        () -> Command.run(top("tennant", "--once")).out(),
        out -> out.contains("has the key \"tennant\""));
    String out =
        Await.until(
            "a thread that has it",
            () -> Command.run(top("tenant", "--once")).out(),
            seen -> seen.lines().anyMatch(line -> line.startsWith("0 ")));
    assertThat(out).doesNotContain("has the key");
  }
}
