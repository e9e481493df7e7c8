// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.examples.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Patience;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.BufferedReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Runs the application under load, with {@code top} beside it, whose split has to be that of the
 * work; a thread that works has the trace that OpenTelemetry has for it, too.
 */
@KernelTest
class ReportsKernelIT {

  private static final Pattern PORT = Pattern.compile("Tomcat started on port (\\d+)");

  /** In the output of {@code dump}. */
  private static final Pattern TRACE_OF_ACME =
      Pattern.compile(" \"acme\" +(?!0{32})[0-9a-f]{32} +(?!0{16})[0-9a-f]{16} *\n");

  /** How far a share may be off, in percentage points. */
  private static final double TOLERANCE = 5;

  /** After this many answers to each tenant, most of the code is compiled. */
  private static final int WARM = 50;

  /** After this many in the time of the measurement, the shares tell. */
  private static final int ENOUGH = 100;

  /**
   * A few large requests, or many small ones: 60, 30 and 10 % of the work. All are so large that
   * what Spring does for a request hardly counts, and so small that the mix is the same in the time
   * that {@code top} measures and in the time of its start, in which requests are counted, too.
   */
  private record Tenant(String name, int requests, int pages, LongAdder answers) {
    Tenant(String name, int requests, int pages) {
      this(name, requests, pages, new LongAdder());
    }
  }

  private final List<Tenant> tenants =
      List.of(
          new Tenant("acme", 1, 1800), new Tenant("globex", 2, 450), new Tenant("initech", 2, 150));

  private static final class Application implements AutoCloseable {
    final Process process;
    final URI uri;

    Application(Path pin, boolean isVirtual) throws Exception {
      List<String> command = new ArrayList<>(List.of(Jvm.java()));
      command.addAll(Jvm.options(List.of()));
      command.addAll(
          List.of(
              "-Dslf4j.provider=io.github.tasklocal.slf4j.TaskLocalServiceProvider",
              "-Dtasklocal.context=tenant:8",
              "-Dtasklocal.map=" + pin,
              "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
              "-jar",
              System.getProperty("spring.jar"),
              "--server.port=0",
              "--server.address=127.0.0.1",
              "--spring.threads.virtual.enabled=" + isVirtual));
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
      CompletableFuture<Integer> port = new CompletableFuture<>();
      // Reads on to the end, or the application would wait for room.
      Thread.ofPlatform().daemon().start(() -> read(process, port));
      try {
        uri =
            URI.create(
                "http://127.0.0.1:"
                    + port.get(Patience.WAIT.toSeconds(), TimeUnit.SECONDS)
                    + "/report?pages=");
      } catch (Exception e) {
        close();
        throw e;
      }
    }

    private static void read(Process process, CompletableFuture<Integer> port) {
      StringBuilder said = new StringBuilder();
      try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          System.out.println(line);
          said.append(line).append('\n');
          Matcher found = PORT.matcher(line);
          if (found.find()) {
            port.complete(Integer.valueOf(found.group(1)));
          }
        }
        port.completeExceptionally(new AssertionError("the application has ended:\n" + said));
      } catch (Exception e) {
        port.completeExceptionally(e);
      }
    }

    @Override
    public void close() {
      process.destroy();
      process.onExit().join();
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void topTellsTheTenantsApartByTheWorkThatTheyCause(boolean isVirtual) throws Exception {
    try (Bpffs bpffs = new Bpffs("rwx------");
        Application application = new Application(bpffs.path("map"), isVirtual);
        ExecutorService clients = Executors.newFixedThreadPool(2)) {
      List<Future<?>> loads =
          List.of(
              clients.submit(() -> load(application.uri)),
              clients.submit(() -> load(application.uri)));
      try {
        check(application, bpffs.path("map"), loads);
      } finally {
        clients.shutdownNow();
      }
    }
  }

  private Object load(URI uri) throws Exception {
    List<Tenant> round = new ArrayList<>();
    tenants.forEach(tenant -> round.addAll(Collections.nCopies(tenant.requests, tenant)));
    try (HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
      while (true) {
        Collections.shuffle(round);
        for (Tenant tenant : round) {
          HttpRequest request =
              HttpRequest.newBuilder(URI.create(uri.toString() + tenant.pages))
                  .header("X-Tenant", tenant.name)
                  .build();
          HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
          if (answer.statusCode() != 200) {
            throw new AssertionError("answered with " + answer.statusCode() + ": " + answer.body());
          }
          tenant.answers.increment();
        }
      }
    }
  }

  private List<Long> answers() {
    return tenants.stream().map(tenant -> tenant.answers.sum()).toList();
  }

  private void check(Application application, Path pin, List<Future<?>> loads) throws Exception {
    while (Collections.min(answers()) < WARM) {
      goesOn(loads);
    }
    Await.until(
        "a thread that works for acme has its trace", () -> dump(pin), TRACE_OF_ACME.asPredicate());
    List<Long> before = answers();
    List<Long> work = new ArrayList<>();
    Map<String, Long> times = new HashMap<>();
    do {
      goesOn(loads);
      for (Object each : top(application, pin).getArray("rows")) {
        JsonObject row = (JsonObject) each;
        times.merge(row.getString("value"), row.getLong("time_ns"), Long::sum);
      }
      work.clear();
      for (int i = 0; i < tenants.size(); i++) {
        work.add(answers().get(i) - before.get(i));
      }
    } while (Collections.min(work) < ENOUGH);
    double pages = 0;
    double known = 0;
    for (int i = 0; i < tenants.size(); i++) {
      pages += work.get(i) * tenants.get(i).pages;
      known += times.getOrDefault(tenants.get(i).name, 0L);
    }
    for (int i = 0; i < tenants.size(); i++) {
      Tenant tenant = tenants.get(i);
      double expected = 100 * work.get(i) * tenant.pages / pages;
      double found = 100 * times.getOrDefault(tenant.name, 0L) / known;
      System.out.printf("%-7s  work %4.1f %%  top %4.1f %%%n", tenant.name, expected, found);
      assertThat(found).as(tenant.name).isCloseTo(expected, within(TOLERANCE));
    }
  }

  /** Fails if the load has failed. */
  private static void goesOn(List<Future<?>> loads) throws Exception {
    for (Future<?> each : loads) {
      if (each.isDone()) {
        each.get();
      }
    }
    Thread.sleep(10);
  }

  /** What threads have while they work, as OpenTelemetry and the MDC say. */
  private static String dump(Path pin) {
    return Jvm.output(
        List.of(
            Jvm.java(),
            "-jar",
            System.getProperty("tasklocal.toolsJar"),
            "dump",
            "--create",
            "--pin=" + pin,
            "--key=tenant:string",
            "--key=trace_id:bytes",
            "--key=span_id:bytes"));
  }

  private static JsonObject top(Application application, Path pin) throws Exception {
    List<String> command =
        List.of(
            Jvm.java(),
            "-jar",
            System.getProperty("tasklocal.toolsJar"),
            "top",
            "--create",
            "--pin=" + pin,
            "--pid=" + application.process.pid(),
            "--key=tenant:string",
            "--interval=5",
            "--once",
            "--json");
    Process top =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String said = new String(top.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(top.waitFor()).as(said).isZero();
    return JsonParser.object().from(said);
  }
}
