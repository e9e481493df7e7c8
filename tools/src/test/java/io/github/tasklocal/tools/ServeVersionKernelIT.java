// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.tools.system.Errnos;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An application and a serving side that do not speak the same version of the protocol. */
@KernelTest
class ServeVersionKernelIT {

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void anApplicationGoesOnAloneUntilASideSpeaksItsVersion(int version) throws Exception {
    Path socket = folder.resolve("tasklocal.sock");
    try (ServedApp app = new ServedApp(folder, "-Dtasklocal.map=" + socket)) {
      try (OtherSide other = new OtherSide(socket, version)) {
        assertThat(app.ask("threads", 1, 42)).isEqualTo("done");
        assertThat(app.ask("watch", socket)).contains("Waiting");
        app.await("does not speak this library's protocol");
        Await.until("more attempts than one", () -> other.refused() > 1);
        assertThat(app.ask("get", 0)).isEqualTo("42");
      }
      try (ServeSide side = new ServeSide(folder);
          ServeView view = side.view()) {
        app.await("Served");
        assertThat(app.ask("set", 0, 43)).isEqualTo("done");
        Await.until("the value", () -> view.values().equals(List.of(43)));
        // It is replaced by one of another version, as by an upgrade: what is shown stays.
        List<String> ignored = side.process().end("TERM");
        try (OtherSide _ = new OtherSide(socket, version)) {
          app.await("does not speak this library's protocol");
          assertThat(app.ask("set", 0, 44)).isEqualTo("done");
          assertThat(view.values()).containsExactly(44);
        }
        side.restart();
        app.await("Served");
        assertThat(app.ask("threads", 1, 45)).isEqualTo("done");
        Await.until("both values", () -> view.values().equals(List.of(44, 45)));
      }
    }
  }

  /** What one of a later version might send that this one does not know. */
  @Test
  void aSideGoesOnWithAClientThatKnowsMore() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServeClient client = side.client()) {
      String token = client.connect(side.socket());
      assertThat(client.number("kind", 7)).isEqualTo(Errnos.EOPNOTSUPP);
      assertThat(client.number("key", "v")).isZero();
      int ignored = client.thread(2, 42);
      assertThat(view.values()).containsExactly(42);
      // One that insists on its version is refused, comes back with this one, and goes on.
      assertThat(client.number("version 2")).isEqualTo(Errnos.EPROTO);
      assertThat(client.connect(side.socket())).isNotEqualTo(token);
    }
  }
}
