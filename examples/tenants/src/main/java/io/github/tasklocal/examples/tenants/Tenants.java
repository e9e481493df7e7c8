// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.examples.tenants;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.TaskLocalScope;
import io.github.tasklocal.TaskLocalThread;
import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * A server for three tenants on one pool of threads, or on virtual threads, with its own load.
 * While a thread serves a request, its value of the key "tenant" is the tenant's name, so that
 * {@code top} can say who uses the processors. The split of the work is known, so the output of
 * {@code top} can be checked.
 */
public final class Tenants {

  /**
   * A name of up to 7 bytes in UTF-8, padded with NULs. BPF programs see a value of up to 8 bytes
   * whole, and might see a longer one half-written.
   */
  private static final TaskLocal.OfSegment TENANT =
      TaskLocal.of("tenant", MemoryLayout.sequenceLayout(8, JAVA_BYTE));

  /** A few large requests, or many small ones: 60, 30 and 10 % of the work. */
  private static final List<Tenant> TENANTS =
      List.of(
          new Tenant("acme", 1, 1800), new Tenant("globex", 3, 300), new Tenant("initech", 5, 60));

  /**
   * A tenant that the server works for.
   *
   * @param requests how many it makes in a round of the load
   * @param blocks how much work each request is
   * @param served how many requests were answered
   * @param done how much work was done, that of requests without an answer yet, too
   * @param scope sets its name as the thread's value
   */
  private record Tenant(
      String name,
      int requests,
      int blocks,
      LongAdder served,
      LongAdder done,
      TaskLocalScope scope) {

    Tenant(String name, int requests, int blocks) {
      this(name, requests, blocks, new LongAdder(), new LongAdder(), TENANT.with(name));
    }
  }

  /** The unit of work. */
  private static final byte[] BLOCK = new byte[1 << 16];

  /** On virtual threads: after so much work a request waits, as it would for a database. */
  private static final int BLOCKS_BEFORE_WAIT = 20;

  private Tenants() {}

  /**
   * Serves until Ctrl-C, or checks what {@code top} says and exits with 1 if that is wrong.
   *
   * @param args "--virtual" for virtual threads, then nothing, or "--check" and the jar of the
   *     tools
   * @throws Exception if something fails
   */
  public static void main(String[] args) throws Exception {
    // Or the server's threads would keep the process alive after its check or load has failed.
    Thread.setDefaultUncaughtExceptionHandler(
        (thread, e) -> {
          e.printStackTrace();
          System.exit(1);
        });
    List<String> options = new ArrayList<>(List.of(args));
    boolean virtual = options.remove("--virtual");
    ExecutorService executor =
        virtual
            ? Executors.newVirtualThreadPerTaskExecutor()
            : Executors.newFixedThreadPool(4, TaskLocalThread.factory("http-"));
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    for (Tenant tenant : TENANTS) {
      server.createContext("/" + tenant.name, exchange -> serve(exchange, tenant));
    }
    server.setExecutor(executor);
    server.start();
    URI uri = URI.create("http://localhost:" + server.getAddress().getPort() + "/");
    for (int i = 0; i < (virtual ? 8 : 2); i++) {
      Thread.ofPlatform().name("load-" + i).start(() -> load(uri));
    }
    System.out.printf("process %d serves %s%n", ProcessHandle.current().pid(), uri);
    if (options.size() == 2 && options.get(0).equals("--check")) {
      System.exit(check(options.get(1)) ? 0 : 1);
    }
  }

  // ---- The server ----

  /** Each thread of the pool does this for every tenant, and a virtual thread for one request. */
  private static void serve(HttpExchange exchange, Tenant tenant) throws IOException {
    tenant.scope.call(
        () -> {
          byte[] answer = work(tenant);
          try (exchange) {
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
          }
          tenant.served.increment();
          return null;
        });
  }

  private static byte[] work(Tenant tenant) {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("no SHA-256, which every JDK has", e);
    }
    boolean waits = Thread.currentThread().isVirtual();
    for (int i = 0; i < tenant.blocks; i++) {
      if (waits && i % BLOCKS_BEFORE_WAIT == 0) {
        LockSupport.parkNanos(100_000);
      }
      digest.update(BLOCK);
      tenant.done.increment();
    }
    return HexFormat.of().formatHex(digest.digest()).getBytes(StandardCharsets.US_ASCII);
  }

  // ---- The load ----

  /** Makes the requests of a round in random order, and goes on with the next round. */
  private static void load(URI uri) {
    List<Tenant> round = new ArrayList<>();
    TENANTS.forEach(tenant -> round.addAll(Collections.nCopies(tenant.requests, tenant)));
    try (HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
      while (true) {
        Collections.shuffle(round);
        for (Tenant tenant : round) {
          HttpRequest request = HttpRequest.newBuilder(uri.resolve(tenant.name)).build();
          int status = client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
          if (status != 200) {
            throw new IOException(request.uri() + " answers with " + status);
          }
          Thread.sleep(1);
        }
      }
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException("the load has failed", e);
    }
  }

  // ---- The check ----

  private static final int SECONDS = 5;

  /** After this many requests of each tenant, most of the code is compiled. */
  private static final int WARM = 20;

  /** After this many, the shares tell: on a busy machine that takes more than one interval. */
  private static final int ENOUGH = 50;

  /** How far a share may be off, in percentage points. */
  private static final double TOLERANCE = 5;

  /** Runs {@code top} for some seconds, and compares its shares with those of the work. */
  private static boolean check(String tools) throws Exception {
    while (Collections.min(sums(Tenant::served)) < WARM) {
      Thread.sleep(10);
    }
    List<Long> served = sums(Tenant::served);
    List<Long> done = sums(Tenant::done);
    Map<String, Long> times = new HashMap<>();
    do {
      JsonObject said = top(tools);
      if (said == null) {
        return false;
      }
      for (Object each : said.getArray("rows")) {
        JsonObject row = (JsonObject) each;
        // Rows that belong to no value have null here.
        times.merge(row.getString("value"), row.getLong("time_ns"), Long::sum);
      }
    } while (Collections.min(since(served, Tenant::served)) < ENOUGH);
    served = since(served, Tenant::served);
    done = since(done, Tenant::done);

    long all = times.values().stream().mapToLong(time -> time).sum();
    long known = TENANTS.stream().mapToLong(tenant -> times.getOrDefault(tenant.name, 0L)).sum();
    long work = done.stream().mapToLong(blocks -> blocks).sum();
    boolean right = true;
    System.out.println("tenant   requests    work     top");
    for (int i = 0; i < TENANTS.size(); i++) {
      Tenant tenant = TENANTS.get(i);
      double expected = 100.0 * done.get(i) / work;
      double found = 100.0 * times.getOrDefault(tenant.name, 0L) / Math.max(known, 1);
      right &= Math.abs(found - expected) <= TOLERANCE;
      System.out.printf(
          "%-7s  %8d  %4.1f %%  %4.1f %%%n", tenant.name, served.get(i), expected, found);
    }
    System.out.printf(
        "Of the process's processor time, %.1f %% was spent for no tenant.%n",
        100.0 * (all - known) / Math.max(all, 1));
    System.out.printf(
        "top is %s: the shares are %swithin %.0f points.%n",
        right ? "right" : "WRONG", right ? "" : "not all ", TOLERANCE);
    return right;
  }

  /** {@return what {@code top} says of an interval, or null if it has failed and said why} */
  private static JsonObject top(String tools) throws Exception {
    String map = System.getProperty("tasklocal.map", "default");
    Path pin = map.equals("default") ? TaskLocalMap.defaultPin() : Path.of(map);
    Process top =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-jar",
                tools,
                "top",
                "--create",
                "--pin=" + pin,
                "--pid=" + ProcessHandle.current().pid(),
                "--key=" + TENANT.name() + ":string",
                "--interval=" + SECONDS,
                "--once",
                "--json")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String said = new String(top.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return top.waitFor() == 0 ? JsonParser.object().from(said) : null;
  }

  private static List<Long> sums(Function<Tenant, LongAdder> of) {
    return TENANTS.stream().map(tenant -> of.apply(tenant).sum()).toList();
  }

  private static List<Long> since(List<Long> before, Function<Tenant, LongAdder> of) {
    List<Long> now = sums(of);
    return IntStream.range(0, now.size()).mapToObj(i -> now.get(i) - before.get(i)).toList();
  }
}
