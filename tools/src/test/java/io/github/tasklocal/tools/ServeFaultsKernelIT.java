// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.tools.system.Errnos;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Calls of the serving side fail, or take long: no process loses what it has by that. */
@KernelTest
class ServeFaultsKernelIT {

  private static final String MAKER = "makes arrays";

  /** Until strace ends. */
  private static final String LATE = "bpf:delay_enter=3600000000:when=1";

  @TempDir Path folder;

  private Strace strace(ServeSide side, String thread, String injection) throws Exception {
    return new Strace(side.process().pid(), thread, injection, folder.resolve("strace"));
  }

  /** The second call asks for a pidfd, the first for numbers. */
  @Test
  void whoeverHasEndedSinceItConnectedIsNotTakenForWhoHasItsNumber() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeClient client = side.client()) {
      try (Strace _ = strace(side, "java", "getsockopt:error=ESRCH:when=2")) {
        assertThat(client.number("connect", side.socket())).isZero();
        assertThat(client.number("grant")).isEqualTo(-1);
      }
      String _ = client.connect(side.socket());
    }
  }

  @Test
  void whatCannotBeTakenBackIsTakenBackLater() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      int _ = client.thread(2, 42);
      try (Strace _ = strace(side, "removes arrays", "openat:error=EMFILE")) {
        assertThat(client.number("close")).isZero();
        side.process().awaitLine("a failure", line -> line.contains("\"failed\""));
        assertThat(view.values()).containsExactly(42);
      }
      Await.until("no values", () -> view.values().isEmpty());
      String _ = client.connect(side.socket());
      assertThat(client.number("array")).isZero();
      assertThat(client.number("close")).isZero();
      Await.until("no array of it", () -> side.arrays() == 4);
    }
  }

  @Test
  void whatWasAskedOverALostConnectionIsNotAnsweredOverTheNext() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServeClient other = side.client();
        ServeClient client = side.client()) {
      assertThat(other.number("connect", side.socket())).isZero();
      String token = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      int _ = client.thread(2, 42);
      Await.until("a stock", () -> side.arrays() == 5);
      try (Strace _ = strace(side, MAKER, LATE)) {
        for (int i = 0; i < 4; i++) {
          assertThat(client.number("array")).isZero();
        }
        assertThat(client.number("begin-array")).isZero();
        assertThat(other.number("kind", 99)).isEqualTo(Errnos.EOPNOTSUPP); // after that
        assertThat(client.number("close")).isZero();
        assertThat(client.number("connect", side.socket())).isZero();
        assertThat(client.ask("resume", token)).startsWith("0 ");
      }
      Await.until("a stock", () -> side.arrays() >= 9);
      assertThat(client.number("array")).isZero();
      assertThat(client.number("register", 0, 2)).isZero();
      assertThat(client.number("set", 0, 0, 43)).isZero();
      assertThat(view.values()).containsExactly(43);
    }
  }

  @Test
  void aUserWithManyProcessesHoldsUpNobodyElse() throws Exception {
    List<ServeClient> crowd = new ArrayList<>();
    try (ServeSide side = new ServeSide(folder);
        ServeClient honest = new ServeClient(folder, List.of());
        ServeClient another = new ServeClient(folder, List.of())) {
      String _ = honest.connect(side.socket());
      Await.until("a stock", () -> side.arrays() == 5);
      try (Strace _ = strace(side, MAKER, LATE)) {
        for (int i = 0; i < 12; i++) {
          ServeClient client = side.client();
          crowd.add(client);
          assertThat(client.number("connect", side.socket())).isZero();
          assertThat(client.number("begin-grant")).isZero();
        }
        assertThat(another.number("connect", side.socket())).isZero();
        assertThat(another.number("begin-grant")).isZero();
        assertThat(honest.number("kind", 99)).isEqualTo(Errnos.EOPNOTSUPP); // after all those
      }
      List<Long> granted = new ArrayList<>();
      side.process()
          .awaitJson("the other user's turn", line -> isGranted(line, another.pid(), granted));
      // This one, those for whom there was a stock, and one before its turn.
      assertThat(granted).hasSizeLessThanOrEqualTo(1 + 4 + 1);
      assertThat(another.number("end-grant")).isZero();
      for (ServeClient client : crowd) {
        assertThat(client.number("end-grant")).isZero();
      }
    } finally {
      for (ServeClient client : crowd) {
        client.close();
      }
    }
  }

  private static boolean isGranted(JsonObject line, long pid, List<Long> others) {
    if (!"granted".equals(line.getString("event"))) {
      return false;
    }
    return line.getLong("pid") == pid || !others.add(line.getLong("pid"));
  }

  @Test
  void aServingSideWithoutDescriptorsSaysSoNotThatItsClientHasNone() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      Await.until("a stock", () -> side.arrays() == 5);
      try (Strace _ = strace(side, MAKER, "bpf:error=EMFILE")) {
        for (int i = 0; i < 4; i++) {
          assertThat(client.number("array")).isZero();
        }
        assertThat(client.number("array")).isEqualTo(Errnos.ENOMEM);
        side.process().awaitJson("why", line -> "EMFILE".equals(line.getString("errno")));
      }
      Await.until("an array", () -> isGiven(client));
    }
  }

  private static boolean isGiven(ServeClient client) {
    try {
      return client.number("array") == 0;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aUserHasAShareOfTheArrays() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--max-pages-per-user", "128");
        ServeClient first = side.client();
        ServeClient second = side.client();
        ServeClient root = new ServeClient(folder, List.of())) {
      String _ = first.connect(side.socket());
      assertThat(first.number("array")).isZero();
      assertThat(first.number("array")).isEqualTo(Errnos.EDQUOT);
      assertThat(second.number("connect", side.socket())).isZero();
      assertThat(second.number("grant")).isEqualTo(Errnos.EDQUOT);
      String _ = root.connect(side.socket());
      assertThat(root.number("array")).isZero();
      first.kill();
      Await.until("the share is free", () -> second.isGranted(side.socket()));
    }
  }
}
