// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import io.github.tasklocal.Wire;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
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
    busy.close();
    if (pinned != null) {
      pinned.close();
    }
  }

  /** Starts a thread that has pages, made by this, and spins. */
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
    assertThat(entered.await(10, TimeUnit.SECONDS)).isTrue();
    return entry;
  }

  private static void key(RawEntry entry, Wire wire, int number, String name, int sizeOrOffset) {
    int at = (wire == Wire.A ? 0 : 4) + number * 64;
    entry.keys().set(JAVA_SHORT, at + 62, (short) sizeOrOffset);
    entry.keys().setString(at, name);
    if (wire != Wire.A) {
      entry.keys().set(JAVA_SHORT, 0, (short) (number + 1));
    }
  }

  /** {@return the texts of the key's values} */
  private Set<String> values(String key, int count) throws Exception {
    Command command =
        Command.run(
            "top",
            "--json",
            "--pin",
            pinned.pin(),
            "--pid",
            PID,
            "--key",
            key,
            "--interval",
            0.3,
            "--count",
            count);
    assertThat(command.err()).isEmpty();
    Set<String> values = new TreeSet<>();
    for (String line : command.out().lines().toList()) {
      for (Object row : JsonParser.object().from(line).getArray("rows")) {
        values.add(((JsonObject) row).getString("text"));
      }
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
          key(entry, wire, 0, "fits", 4096 - 16);
          key(entry, wire, 1, "last", 8);
          entry.data().set(JAVA_LONG, 4096 - 8, -7);
        });
    assertThat(values("last", 1)).containsExactly("-7");
    assertThat(values("fits:bytes", 1)).containsExactly("00".repeat(64) + "..(4080 bytes)");
    stop();
    spin(wire, 8, entry -> key(entry, wire, 0, "big", 60_000));
    assertThat(values("big:bytes", 1)).containsExactly("(outside)");
    assertThat(values("big:string", 1)).containsExactly("(outside)");
  }

  @Test
  void onWireAAValueIsReadUpToTheEndOfItsPage() throws Exception {
    spin(
        Wire.A,
        0,
        entry -> {
          key(entry, Wire.A, 0, "in", 4096 - 8);
          key(entry, Wire.A, 1, "over", 4096 - 4);
          key(entry, Wire.A, 2, "odd", 1001);
          entry.data().setString(4096 - 8, "abc");
          entry.data().setString(1001, "not aligned, and long");
        });
    assertThat(values("in:string", 1)).containsExactly("\"abc\"");
    assertThat(values("in:int", 1)).containsExactly("6513249");
    assertThat(values("over:long", 1)).containsExactly("(outside)");
    assertThat(values("odd:string", 1)).containsExactly("\"not aligned, and long\"");
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
              key(made, Wire.A, 0, "early", 0);
              made.data().setString(0, "abc");
            });
    FutureTask<Set<String>> seen = new FutureTask<>(() -> values("early:" + type, 4));
    new Thread(seen).start();
    Thread.sleep(700);
    key(entry, Wire.A, 1, "later", 8);
    long[] next = {0};
    busy.start(
        () -> {
          entry.data().set(JAVA_LONG, 8, ++next[0]);
          Busy.sleep(5);
        });
    assertThat(seen.get()).containsExactly(text);
    assertThat(values("early:" + type, 1)).containsExactly(text);
    assertThat(next[0]).isGreaterThan(10);
  }

  @Test
  void aStringCannotPassForAThreadWithoutAnEntryNorForAFormula() throws Exception {
    spin(
        Wire.C,
        0,
        entry -> {
          key(entry, Wire.C, 0, "text", 16);
          key(entry, Wire.C, 1, "cell", 16);
          entry.data().setString(0, "(no entry)");
          entry.data().setString(16, "=1+1");
        });
    assertThat(values("text:string", 1)).containsExactly("\"(no entry)\"");
    List<Object> csv = new ArrayList<>(List.of("top", "--pin", pinned.pin(), "--pid", PID));
    csv.addAll(List.of("--key", "cell:string", "--interval", 0.3, "--once", "--csv"));
    assertThat(Command.run(csv.toArray()).out()).contains(",\"\"\"=1+1\"\"\",true,");
  }

  @Test
  void aKeyThatNobodyHasIsSaid() throws Exception {
    spin(Wire.C, 0, entry -> key(entry, Wire.C, 0, "tenant", 8));
    List<Object> top = new ArrayList<>(List.of("top", "--pin", pinned.pin(), "--pid", PID));
    top.addAll(List.of("--interval", 0.3, "--once", "--key"));
    top.add("tennant");
    assertThat(Command.run(top.toArray()).out()).contains("has the key \"tennant\"");
    top.set(top.size() - 1, "tenant");
    assertThat(Command.run(top.toArray()).out()).doesNotContain("has the key");
  }
}
