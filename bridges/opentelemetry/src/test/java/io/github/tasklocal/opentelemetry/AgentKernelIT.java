// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.DumpedMap;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * OpenTelemetry's Java agent with our extension, before a server that is not changed and has a copy
 * of the library of its own: a BPF program of the tools reads both, and profilers read the trace.
 */
@KernelTest
class AgentKernelIT {

  private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";

  @TempDir
  @SuppressWarnings("NullAway.Init")
  private Path folder;

  private List<String> server(Path pin, String kind) {
    Path agent =
        Jvm.classPath().stream()
            .filter(each -> each.getFileName().toString().startsWith("opentelemetry-javaagent"))
            .findFirst()
            .orElseThrow();
    // Without OpenTelemetry, and without the bridge.
    List<Path> classPath =
        Jvm.classPath().stream()
            .filter(each -> !each.getFileName().toString().startsWith("opentelemetry"))
            .filter(each -> !each.endsWith("target/classes"))
            .filter(each -> !each.getFileName().toString().startsWith("tasklocal-opentelemetry"))
            .toList();
    List<String> options = new ArrayList<>(Jvm.shortLived());
    options.add("-javaagent:" + agent);
    options.add("-Dotel.javaagent.extensions=" + System.getProperty("tasklocal.extensionJar"));
    for (String each : List.of("traces", "metrics", "logs")) {
      options.add("-Dotel." + each + ".exporter=none");
    }
    options.add("-Dtasklocal.map=" + pin);
    options.add("-Dtasklocal.profilers=true");
    options.add("-Djava.io.tmpdir=" + folder);
    return Jvm.command(options, Jvm.join(classPath), ServerChild.class, kind);
  }

  @ParameterizedTest
  @ValueSource(strings = {"platform", "virtual"})
  void aBpfProgramSeesTheTraceOfARequestWhereItsWorkGoesOn(String kind) throws Exception {
    Path log = folder.resolve("log");
    try (DumpedMap map = new DumpedMap()) {
      Process server =
          new ProcessBuilder(server(map.pin(), kind))
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      try {
        String port =
            Await.until("the server listens", () -> line(log, server, "port "), Optional::isPresent)
                .orElseThrow();
        ask(port, "/work", "00-" + TRACE + "-b7ad6b7169203331-01");
        Await.until("a thread works", () -> line(log, server, "working"), Optional::isPresent);
        String[] keys = {"trace_id:bytes", "span_id:bytes", "mine:long"};
        // A virtual thread is followed for the first copy of the library only, here the
        // extension's.
        String mine = kind.equals("virtual") ? "0" : "42";
        // Not the client's span, but that of the server.
        assertThat(map.dump(keys))
            .containsPattern(TRACE + " +(?!b7ad6b7169203331|0{16})[0-9a-f]{16} +" + mine + " *\n");
        // By the rules of profilers, too, on one thread at least.
        List<String> read =
            Jvm.lines(Jvm.shortLived(), ProfilerReader.class, String.valueOf(server.pid()));
        assertThat(read)
            .contains("contexts 1", "context .2.2.1 tlsdesc_v1_dev")
            .anyMatch(
                each -> each.matches("thread \\d+ " + TRACE + " (?!b7ad)[0-9a-f]{16} \\d+ 0"));
        ask(port, "/end", "00-" + TRACE.replace('0', '1') + "-b7ad6b7169203331-01");
        Await.until("it is done", () -> line(log, server, "worked"), Optional::isPresent);
        Await.until("no thread has the trace", () -> map.dump(keys), now -> !now.contains(TRACE));
      } catch (AssertionError e) {
        throw new AssertionError(Files.readString(log), e);
      } finally {
        server.getOutputStream().close();
        server.destroy();
        server.waitFor();
      }
    }
  }

  /** {@return what follows in the first line of the server that begins like this} */
  private static Optional<String> line(Path log, Process server, String start) {
    try {
      assertThat(server.isAlive()).isTrue();
      return Files.readAllLines(log).stream()
          .filter(each -> each.startsWith(start))
          .map(each -> each.substring(start.length()))
          .findFirst();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void ask(String port, String path, String traceParent) throws Exception {
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpResponse<Void> response =
          client.send(
              HttpRequest.newBuilder(URI.create("http://localhost:" + port + path))
                  .header("traceparent", traceParent)
                  .build(),
              HttpResponse.BodyHandlers.discarding());
      assertThat(response.statusCode()).isEqualTo(204);
    }
  }
}
