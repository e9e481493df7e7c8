// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.system.Errnos;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A process without privileges, served over a socket. */
@KernelTest
class ServeKernelIT {

  private static final String PIDFDS = "--max-processes=1000";

  @TempDir Path folder;

  @Test
  void valuesAreSeenOnAllWires() throws Exception {
    try (Bpffs bpffs = new Bpffs("rwx------")) {
      Path pin = bpffs.path("other");
      try (ServeSide side = new ServeSide(folder, "--map", pin);
          ServeClient client = side.client();
          BpfObject earlier = MapOptions.open("dump", Wire.C);
          BpfObject other = MapOptions.open("dump", Wire.B)) {
        String _ = client.connect(side.socket());
        assertThat(client.number("key", "v")).isZero();
        int first = client.thread(2, 42);
        // A program that comes later, and another that takes its place.
        earlier.load();
        earlier.map(Wire.C.mapName()).pin(pin);
        side.process().awaitLine("the map", line -> line.contains("\"map\""));
        other.load();
        other.map(Wire.B.mapName()).pin(pin);
        side.process().awaitLine("the other", line -> line.contains("\"map\""));
        int second = client.thread(63, 77);
        for (ServeView view :
            List.of(
                ServeView.ofMap(side.wireA(), Wire.A),
                ServeView.ofMap(side.pins().resolve("tld_data_map"), Wire.C),
                ServeView.ofMap(pin, Wire.B))) {
          try (view) {
            assertThat(view.values()).containsExactly(42, 77);
            assertThat(client.number("set", first, 0, 43)).isZero();
            assertThat(view.values()).containsExactly(43, 77);
            assertThat(client.number("set", first, 0, 42)).isZero();
          }
        }
        assertThat(client.number("end", second)).isZero();
        try (ServeView view = side.view()) {
          assertThat(view.values()).containsExactly(42);
        }
      }
    }
  }

  @Test
  void aMapThatComesLaterShowsNoPageOfAnEndedThread() throws Exception {
    Path lastPid = Path.of("/proc/sys/kernel/ns_last_pid");
    assumeTrue(Files.isWritable(lastPid), "needs CONFIG_CHECKPOINT_RESTORE, to choose a tid");
    try (Bpffs bpffs = new Bpffs("rwx------")) {
      Path pin = bpffs.path("other");
      try (ServeSide side = new ServeSide(folder, "--map", pin);
          ServeClient client = side.client();
          BpfObject other = MapOptions.open("dump", Wire.B)) {
        String _ = client.connect(side.socket());
        assertThat(client.number("key", "v")).isZero();
        int ended = client.thread(2, 42);
        int _ = client.thread(3, 43);
        int tid = client.number("tid", ended);
        assertThat(client.number("end", ended)).isZero();
        Await.until("its end", () -> !Files.exists(Path.of("/proc/" + tid)));
        // Others start threads, too.
        int tries = 0;
        do {
          assertThat(tries++).as("tries to get tid " + tid).isLessThan(200);
          Files.writeString(lastPid, String.valueOf(tid - 1));
        } while (client.number("tid", client.number("thread")) != tid);
        other.load();
        other.map(Wire.B.mapName()).pin(pin);
        side.process().awaitLine("the map", line -> line.contains("\"map\""));
        try (ServeView view = ServeView.ofMap(pin, Wire.B)) {
          // Answered only when all threads from before are registered there.
          int _ = client.thread(4, 44);
          assertThat(view.values()).containsExactlyInAnyOrder(43, 44);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {PIDFDS, "--slots"})
  void anArrayAfterTheOtherIsFilled(String way) throws Exception {
    try (ServeSide side = new ServeSide(folder, way);
        ServeView view = side.view();
        ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      int thread = client.thread(2, 1);
      for (int i = 2; i < 8; i++) {
        String[] answer = client.ask("array").split(" ");
        assertThat(answer[0]).isEqualTo("0");
        int next = client.number("thread");
        assertThat(client.number("register", next, 0, 16, answer[1])).isZero();
        assertThat(client.number("set", next, 0, i)).isZero();
      }
      assertThat(view.values()).containsExactly(1, 2, 3, 4, 5, 6, 7);
      // Again, in a part of a page, which wire B alone cannot show.
      assertThat(client.number("register", thread, 2, 2048)).isZero();
      assertThat(client.number("set", thread, 0, 9)).isZero();
      assertThat(view.values()).containsExactly(9, 2, 3, 4, 5, 6, 7);
      assertThat(client.number("leave", thread)).isZero();
      assertThat(view.values()).containsExactly(2, 3, 4, 5, 6, 7);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {PIDFDS, "--slots"})
  void valuesOutliveTheServingSideAndTheProcessResumes(String way) throws Exception {
    try (ServeSide side = new ServeSide(folder, way);
        ServeView view = side.view();
        ServeClient client = side.client();
        ServeClient dead = side.client()) {
      String token = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      int thread = client.thread(2, 42);
      String lost = dead.connect(side.socket());
      assertThat(dead.number("key", "v")).isZero();
      int _ = dead.thread(2, 77);
      assertThat(view.values()).containsExactlyInAnyOrder(42, 77);
      side.kill();
      dead.kill();
      assertThat(client.number("set", thread, 0, 43)).isZero();
      assertThat(view.values()).containsExactly(43);
      side.restart();
      assertThat(view.values()).containsExactly(43);
      assertThat(client.number("connect", side.socket())).isZero();
      assertThat(client.number("resume", lost)).isEqualTo(Errnos.ESTALE);
      assertThat(client.ask("resume", token)).startsWith("0 ").endsWith(token);
      int another = client.number("thread");
      assertThat(client.number("register", another, 3)).isZero();
      assertThat(client.number("set", another, 0, 44)).isZero();
      assertThat(view.values()).containsExactly(43, 44);
      assertThat(side.process().end("TERM")).isNotEmpty();
      assertThat(side.arrays()).isOne();
      assertThat(Files.exists(side.socket())).isFalse();
      assertThat(view.values()).containsExactly(43, 44);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {PIDFDS, "--slots"})
  void whatAProcessLeavesIsTakenAway(String way) throws Exception {
    try (ServeSide side = new ServeSide(folder, way);
        ServeView view = side.view()) {
      Await.until("a stock", () -> side.arrays() == 4);
      try (ServeClient closes = side.client();
          ServeClient killed = side.client();
          ServeClient executes = side.client()) {
        for (ServeClient client : List.of(closes, killed, executes)) {
          String _ = client.connect(side.socket());
          assertThat(client.number("key", "v")).isZero();
          int _ = client.thread(2, 1);
        }
        Await.until("more", () -> side.arrays() == 7);
        Await.change(
            "no values of one without a connection",
            () -> view.values().size() == 2,
            () -> assertThat(closes.number("close")).isZero());
        Await.change("nor of a killed one", () -> view.values().size() == 1, killed::kill);
        // It lives on with an array at once, and its threads are registered anew.
        String _ = closes.connect(side.socket());
        assertThat(closes.number("key", "v")).isZero();
        assertThat(closes.number("register", 0, 2)).isZero();
        assertThat(view.values()).hasSize(2);
        executes.send("exec");
        assertThat(executes.number("thread")).isZero();
        assertThat(executes.number("close")).isZero();
      }
      Await.until("nothing", () -> view.values().isEmpty() && side.arrays() == 4);
    }
  }

  @Test
  void whatIsAskedWronglyIsRefused() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--max-pages", "128");
        ServeClient other = side.client();
        ServeClient client = side.client()) {
      String theirs = other.connect(side.socket());
      assertThat(client.number("connect", side.socket())).isZero();
      assertThat(client.number("register", client.number("thread"), 2, 16, 0))
          .isEqualTo(Errnos.EINVAL);
      assertThat(client.number("array")).isEqualTo(Errnos.EINVAL);
      assertThat(client.number("resume", theirs)).isEqualTo(Errnos.EPERM);
      assertThat(client.number("resume", 4711)).isEqualTo(Errnos.ESTALE);
      String[] mine = client.ask("grant").split(" ");
      assertThat(mine[0]).isEqualTo("0");
      assertThat(client.number("grant")).isEqualTo(Errnos.EEXIST);
      assertThat(client.number("resume", mine[4])).isEqualTo(Errnos.EEXIST);
      for (Object[] place :
          List.of(
              new Object[] {0, 16},
              new Object[] {1, 16},
              new Object[] {64, 16},
              new Object[] {2, 8},
              new Object[] {2, 17},
              new Object[] {2, 4096},
              new Object[] {2, 16, Integer.parseInt(mine[1]) + 1},
              new Object[] {2, 16, 16384})) {
        Object[] words =
            IntStream.range(0, place.length + 2)
                .mapToObj(i -> i == 0 ? "register" : i == 1 ? 0 : place[i - 2])
                .toArray();
        assertThat(client.number(words)).isEqualTo(Errnos.EINVAL);
      }
      assertThat(client.number("by-id", 0, 2)).isEqualTo(Errnos.EOPNOTSUPP);
      assertThat(client.number("foreign", 1)).isEqualTo(Errnos.EPERM);
      assertThat(client.number("foreign", other.pid())).isEqualTo(Errnos.EPERM);
      assertThat(client.number("array")).isZero();
      assertThat(client.number("array")).isEqualTo(Errnos.EDQUOT);
      assertThat(client.number("kind", 99)).isEqualTo(Errnos.EOPNOTSUPP);
      assertThat(client.number("register", 0, 2)).isZero();
    }
  }

  /** The long form, with -Dtasklocal.threads=10000, is for a machine that does nothing else. */
  @ParameterizedTest
  @ValueSource(strings = {PIDFDS, "--slots"})
  void aCrowdOfThreadsGetsPagesUntilALimit(String way) throws Exception {
    int threads = Integer.getInteger("tasklocal.threads", 200);
    try (ServeSide side = new ServeSide(folder, way);
        ServeView view = side.view();
        ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      int millis = client.number("crowd", threads);
      System.out.println(threads + " threads, " + way + ": " + millis + " ms");
      assertThat(millis).isNotNegative();
      assertThat(view.values()).hasSize(threads).doesNotHaveDuplicates();
    }
    try (ServeSide side = new ServeSide(folder, way, "--max-pages", "" + threads / 2);
        ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      assertThat(client.number("crowd", threads)).isEqualTo(-Errnos.EDQUOT);
    }
  }
}
