// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code top} serves applications while it runs, where nobody else does. */
@KernelTest
class InterimKernelIT {

  private static final Path SOCKET = TaskLocalMap.defaultSocket();

  @TempDir Path folder;

  private OwnMounts mounts;
  private ServedApp app;

  @BeforeEach
  void start() throws Exception {
    mounts = new OwnMounts();
    app = new ServedApp(folder, mounts.enter(ServeClient.NOBODY), "-Dtasklocal.map=" + SOCKET);
    assertThat(app.ask("threads", 2, 42)).isEqualTo("done");
    assertThat(app.ask("spin", 0)).isEqualTo("done");
  }

  @AfterEach
  void end() throws Exception {
    try (OwnMounts _ = mounts) {
      app.close();
    }
  }

  private TopProcess top(String... more) throws IOException {
    List<Object> command =
        new ArrayList<>(
            List.of("top", "--json", "--key", "v", "--interval", "0.2", "--mode", "666"));
    command.addAll(List.of(more));
    return new TopProcess(mounts.enter(List.of()), command.toArray());
  }

  private TopProcess serve() throws IOException {
    TopProcess serve = new TopProcess(mounts.enter(List.of()), "serve", "--json", "--mode", "666");
    serve.awaitLine("the socket", line -> line.contains("\"ready\""));
    return serve;
  }

  private static void awaitServing(TopProcess top) throws IOException {
    top.awaitLine(
        "that it serves",
        line -> line.contains("top: serves at " + SOCKET + " (rw-rw-rw-) while it runs"));
  }

  private static void awaitValue(TopProcess top) throws IOException {
    top.awaitLine("the value", line -> line.contains("\"text\":\"42\""));
  }

  private List<String> all(String folder) {
    try (Stream<Path> files = Files.walk(mounts.path(folder))) {
      Path root = mounts.path("/");
      return files.map(file -> "/" + root.relativize(file)).sorted().toList();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** What top leaves if it is the first to use the default place: its map. */
  private void requireNothingButTheMap() {
    assertThat(mounts.path(SOCKET.toString())).doesNotExist();
    requireNothingElseIsPinned();
  }

  private void requireNothingElseIsPinned() {
    assertThat(all("/sys/fs/bpf/tasklocal"))
        .containsExactly("/sys/fs/bpf/tasklocal", "/sys/fs/bpf/tasklocal/tld_data_map");
  }

  @ParameterizedTest
  @ValueSource(strings = {"INT", "TERM"})
  void anApplicationIsSeenWhileTopRunsAndWaitsAfterwards(String signal) throws Exception {
    for (int round = 0; round < 2; round++) {
      try (TopProcess top = top()) {
        awaitServing(top);
        awaitValue(top);
        List<String> ignored = top.end(signal);
      }
      requireNothingButTheMap();
      assertThat(app.ask("watch", SOCKET)).contains("Waiting");
      assertThat(app.ask("get", 1)).isEqualTo("43");
      assertThat(app.ask("close")).isEqualTo("done");
    }
  }

  @Test
  void theDefaultIsTheSocketToWhomTheMapIsShut() throws Exception {
    try (TopProcess serve = serve();
        ServedApp other =
            new ServedApp(folder, mounts.enter(ServeClient.NOBODY), "-Dtasklocal.map=default")) {
      assertThat(mounts.path("/sys/fs/bpf/tasklocal/tld_data_map")).exists();
      assertThat(other.ask("threads", 3, 5)).isEqualTo("done");
      assertThat(other.ask("watch", SOCKET)).contains("Served");
      other.await("threads=3, waiting=0, unregistered=0");
      List<String> ignored = serve.end("TERM");
    }
  }

  @Test
  void aServingSideThatComesTakesOverAndStays() throws Exception {
    try (TopProcess top = top()) {
      awaitServing(top);
      awaitValue(top);
      try (TopProcess serve = serve()) {
        assertThat(serve.end("TERM").toString()).contains("\"kept\":1");
      }
      awaitValue(top);
      try (TopProcess serve = serve()) {
        assertThat(app.ask("watch", SOCKET)).contains("Served");
        List<String> ignored = top.end("INT");
        assertThat(app.ask("get", 1)).isEqualTo("43"); // it moves to the new pages
        app.await("threads=2");
        assertThat(mounts.path(SOCKET.toString())).exists();
        ignored = serve.end("TERM");
      }
      assertThat(all("/sys/fs/bpf/tasklocal")).contains("/sys/fs/bpf/tasklocal/serve_1/tld_grants");
    }
    try (TopProcess top = top()) {
      top.awaitLine("why it does not serve", line -> line.contains("serve --remove"));
      awaitValue(top);
    }
  }

  @Test
  void whatAKilledOneHasLeftGoesWithTheNext() throws Exception {
    try (TopProcess top = top()) {
      awaitServing(top);
      awaitValue(top);
      top.signal("KILL");
      Await.until("its end", () -> !top.isAlive());
    }
    try (TopProcess top = top()) {
      awaitServing(top);
      awaitValue(top);
      List<String> ignored = top.end("INT");
    }
    requireNothingElseIsPinned();
    assertThat(all("/run/tasklocal")).containsExactly("/run/tasklocal"); // for containers
  }

  @Test
  void oneServesAndAnotherGoesOnInItsPlace() throws Exception {
    try (TopProcess first = top();
        TopProcess second = second(first)) {
      awaitValue(second);
      List<String> ignored = first.end("INT");
      app.await("Served");
      Await.until("the second's socket", () -> Files.exists(mounts.path(SOCKET.toString())));
      awaitValue(second);
      assertThat(second.end("INT").toString()).doesNotContain("serve");
    }
    requireNothingButTheMap();
  }

  private TopProcess second(TopProcess first) throws IOException {
    awaitServing(first);
    assertThat(app.ask("watch", SOCKET)).contains("Served");
    return top();
  }

  @Test
  void itIsNotDoneWhereItIsNotWanted() throws Exception {
    try (TopProcess top = top("--no-serve", "--once")) {
      assertThat(top.rest().toString()).doesNotContain("serve").contains("\"rows\":[");
    }
    requireNothingButTheMap();
  }
}
