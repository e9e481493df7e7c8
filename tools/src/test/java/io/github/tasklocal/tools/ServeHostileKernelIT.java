// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.tools.system.Errnos;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clients that do what they should not: none harms another, whose values go on being seen. */
@KernelTest
class ServeHostileKernelIT {

  @TempDir Path folder;

  private ServeSide side;
  private ServeView view;
  private ServeClient honest;
  private long descriptors;

  @BeforeEach
  void start() throws Exception {
    side = new ServeSide(folder, "--max-processes", "20", "--max-processes-per-user", "10");
    view = side.view();
    honest = new ServeClient(folder, List.of());
    String _ = honest.connect(side.socket());
    assertThat(honest.number("key", "v")).isZero();
    int _ = honest.thread(2, 42);
    Await.until("a stock", () -> side.arrays() == 5);
    descriptors = descriptors();
  }

  @AfterEach
  void end() throws Exception {
    try (ServeSide _ = side;
        ServeView _ = view;
        ServeClient _ = honest) {
      assertThat(view.values()).containsExactly(42);
      assertThat(honest.number("register", 0, 3)).isZero();
      assertThat(honest.number("array")).isZero();
      Await.until("no descriptor more than before", () -> descriptors() <= descriptors);
    }
  }

  private long descriptors() {
    try (Stream<Path> all = Files.list(Path.of("/proc/" + side.process().pid() + "/fd"))) {
      return all.count();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aMessageThatIsNoneEndsItsConnection() throws Exception {
    for (String message : List.of("short", "long", "version 2", "version 0", "descriptors 4")) {
      try (ServeClient client = side.client()) {
        String _ = client.connect(side.socket());
        assertThat(client.number(message)).isEqualTo(Errnos.EPROTO);
        assertThat(client.number("array")).isEqualTo(-1);
      }
    }
    try (ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      assertThat(client.number("descriptors", 8)).isEqualTo(Errnos.EPROTO);
    }
  }

  @Test
  void whoeverStopsReadingIsCutOff() throws Exception {
    try (ServeClient client = side.client();
        ServeClient other = side.client()) {
      String _ = client.connect(side.socket());
      int sent = client.number("flood", 1_000_000);
      assertThat(sent).isLessThan(1_000_000);
      String _ = other.connect(side.socket());
      assertThat(other.number("array")).isZero();
    }
  }

  @Test
  void aStoppedProcessKeepsWhatItHas() throws Exception {
    try (ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      int _ = client.thread(2, 77);
      assertThat(Jvm.run(List.of("kill", "-STOP", "" + client.pid())).exit()).isZero();
      assertThat(honest.number("register", 0, 2)).isZero();
      assertThat(view.values()).hasSize(2);
      assertThat(Jvm.run(List.of("kill", "-CONT", "" + client.pid())).exit()).isZero();
      assertThat(client.number("array")).isZero();
    }
    Await.until("its end is seen", () -> view.values().size() == 1);
  }

  @Test
  void aDescriptorThatIsNoPidfdIsRefused() throws Exception {
    try (ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      assertThat(client.number("no-pidfd")).isEqualTo(Errnos.EBADF);
      assertThat(client.number("ended")).isEqualTo(Errnos.ESRCH);
    }
  }

  /** Each hangs the thread that closes it for a day, unless its process ends. */
  @Test
  void aDescriptorThatCannotBeClosedHoldsUpNobodyElse() throws Exception {
    try (ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      for (int i = 0; i < 20; i++) {
        assertThat(client.number("linger")).isEqualTo(Errnos.EBADF);
        assertThat(honest.number("register", 0, 2)).isZero();
      }
    }
    try (ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
    }
  }

  @Test
  void aUserWhoseDescriptorsCannotBeClosedIsServedNoMore() throws Exception {
    try (ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      int sent = 0;
      while (client.number("linger") == Errnos.EBADF) {
        assertThat(++sent).isLessThan(800);
      }
      assertThat(closing()).isBetween(1L, 4L);
      assertThat(honest.number("register", 0, 2)).isZero();
    }
    try (ServeClient client = side.client()) {
      Await.until("it is served again", () -> client.isGranted(side.socket()));
    }
  }

  /** {@return how many threads of the serving side are there to close descriptors} */
  private long closing() throws IOException {
    try (Stream<Path> tasks = Files.list(Path.of("/proc/" + side.process().pid() + "/task"))) {
      return tasks
          .map(task -> task.resolve("comm"))
          .filter(ServeHostileKernelIT::isOfCloser)
          .count();
    }
  }

  private static boolean isOfCloser(Path comm) {
    try {
      return Files.readString(comm).startsWith("closes");
    } catch (IOException e) {
      return false; // It has just ended.
    }
  }

  @Test
  void aChildIsNotServedOverItsParentsConnection() throws Exception {
    try (ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      assertThat(client.number("fork-array")).isEqualTo(Errnos.EPERM);
      assertThat(client.number("array")).isZero();
    }
  }

  @Test
  void thousandsOfConnectionsAreRefused() throws Exception {
    try (ServeClient client = side.client()) {
      assertThat(client.number("connections", 10_000, side.socket())).isEqualTo(10_000);
      assertThat(honest.number("register", 0, 2)).isZero();
    }
    List<ServeClient> clients = new ArrayList<>();
    try {
      // Its user's connections are gone, and so is what they were counted for.
      for (int i = 0; i < 9; i++) {
        ServeClient client = side.client();
        clients.add(client);
        Await.until("a grant", () -> client.isGranted(side.socket()));
      }
      for (int i = 0; i < 2; i++) {
        ServeClient client = side.client();
        clients.add(client);
        assertThat(client.number("connect", side.socket())).isZero();
        assertThat(client.number("grant")).isEqualTo(i == 0 ? 0 : Errnos.EDQUOT);
      }
    } finally {
      for (ServeClient client : clients) {
        client.close();
      }
    }
    Await.until("nothing of them", () -> side.arrays() == 5 || side.arrays() == 9);
  }

  @Test
  void aTokenIsItsProcesssAlone() throws Exception {
    try (ServeClient client = side.client();
        ServeClient thief = side.client()) {
      String token = client.connect(side.socket());
      assertThat(thief.number("connect", side.socket())).isZero();
      assertThat(thief.number("resume", token)).isEqualTo(Errnos.EPERM);
      // A child with the same memory, before and after the end of its parent's connection.
      assertThat(client.number("fork-resume", side.socket())).isEqualTo(Errnos.EPERM);
      // The same process after an exec, whose connection is still open somewhere.
      client.send("exec");
      assertThat(client.number("thread")).isZero();
      assertThat(client.number("connect", side.socket())).isZero();
      assertThat(client.number("resume", token)).isEqualTo(Errnos.EEXIST);
      assertThat(client.number("grant")).isEqualTo(Errnos.EEXIST);
    }
  }
}
