// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import com.sun.net.httpserver.HttpServer;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A server with the SDK, which knows nothing of profilers. It goes on when a line comes, and ends
 * when its input does.
 */
@SuppressWarnings("restricted")
final class ProfiledChild {

  private static final int REQUESTS = 3;

  /** More than there are pages at first: then those of threads that have ended are given away. */
  private static final int MANY = 150;

  /** Made before, so that a change takes most of the time; but not before the SDK. */
  private static final class Contexts {
    static final List<Context> ALL =
        ThreadLocalRandom.current().longs(256).mapToObj(each -> context(each | 1)).toList();
  }

  private static final CountDownLatch DONE = new CountDownLatch(1);

  private ProfiledChild() {}

  public static void main(String[] args) throws Throwable {
    if (args[0].equals("other")) {
      publishOther();
    }
    OpenTelemetry sdk = AutoConfiguredOpenTelemetrySdk.initialize().getOpenTelemetrySdk();
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    if (args[0].equals("main-ends")) {
      try (Scope _ = random().makeCurrent()) {
        Thread main = Thread.currentThread();
        Thread.ofPlatform().start(() -> serveAfter(main, lines));
      }
      return;
    }
    if (args[0].equals("changing")) {
      change();
    } else {
      serve(sdk, lines);
    }
    System.out.println("ready");
    while (lines.readLine() != null) {}
    System.exit(0);
  }

  /** The thread of main ends, whose task does not, and others come, which may get its page. */
  private static void serveAfter(Thread main, BufferedReader lines) {
    try {
      main.join();
      CountDownLatch working = new CountDownLatch(MANY);
      for (int i = 0; i < MANY; i++) {
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  try (Scope _ = random().makeCurrent()) {
                    hold(working);
                  }
                });
      }
      working.await();
      System.out.println("ready");
      while (lines.readLine() != null) {}
      System.exit(0);
    } catch (InterruptedException | IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Each request's work goes on in another thread; both wait, and then go on with no context. */
  private static void serve(OpenTelemetry sdk, BufferedReader lines) throws Exception {
    CountDownLatch working = new CountDownLatch(2 * REQUESTS);
    ExecutorService workers = Executors.newFixedThreadPool(REQUESTS);
    ExecutorService wrapped = Context.taskWrapping(workers);
    ExecutorService handlers = Executors.newFixedThreadPool(REQUESTS);
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(handlers);
    server.createContext(
        "/",
        exchange -> {
          Span span = sdk.getTracer("test").spanBuilder("request").startSpan();
          try (Scope _ = span.makeCurrent()) {
            Future<?> work = wrapped.submit(() -> hold(working));
            hold(working);
            work.get();
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
          exchange.sendResponseHeaders(204, -1);
          exchange.close();
        });
    server.start();
    URI uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/");
    try (HttpClient client = HttpClient.newHttpClient()) {
      List<Future<?>> answers = new ArrayList<>();
      for (int i = 0; i < REQUESTS; i++) {
        answers.add(
            client.sendAsync(
                HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.discarding()));
      }
      working.await();
      System.out.println("ready");
      Object ignored = lines.readLine();
      DONE.countDown();
      for (Future<?> each : answers) {
        Object _ = each.get();
      }
    }
    // Those of the pool end, and new ones come, which may get their pages.
    workers.close();
    CountDownLatch come = new CountDownLatch(REQUESTS);
    for (int i = 0; i < REQUESTS; i++) {
      Thread.ofPlatform()
          .daemon()
          .start(
              () -> {
                try (Scope _ = Context.root().with(Span.getInvalid()).makeCurrent()) {
                  come.countDown();
                  Thread.sleep(Long.MAX_VALUE);
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              });
    }
    come.await();
  }

  private static void hold(CountDownLatch working) {
    SpanContext span = Span.current().getSpanContext();
    System.out.println(
        "thread %s %s %s %d 0"
            .formatted(tid(), span.getTraceId(), span.getSpanId(), span.getTraceFlags().asByte()));
    working.countDown();
    try {
      DONE.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String tid() {
    try {
      return Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * Threads whose contexts are replaced all the time, virtual ones that change their carrier, too.
   */
  @SuppressWarnings("ThreadPriorityCheck") // the thread has to be unmounted
  private static void change() throws InterruptedException {
    CountDownLatch running = new CountDownLatch(6);
    for (int i = 0; i < 6; i++) {
      boolean isVirtual = i >= 2;
      (isVirtual ? Thread.ofVirtual() : Thread.ofPlatform().daemon())
          .start(
              () -> {
                for (long n = 0; ; n++) {
                  try (Scope _ = random().makeCurrent()) {
                    for (int j = 0; j < 20; j++) {
                      try (Scope _ = random().makeCurrent()) {
                        if (isVirtual) {
                          Thread.yield();
                        }
                      }
                    }
                  }
                  if (n == 100) {
                    running.countDown();
                  }
                }
              });
    }
    running.await();
  }

  private static Context random() {
    return Contexts.ALL.get(ThreadLocalRandom.current().nextInt(Contexts.ALL.size()));
  }

  private static Context context(long trace) {
    return Context.root()
        .with(
            Span.wrap(
                SpanContext.create(
                    "%016x%016x".formatted(trace, second(trace)),
                    "%016x".formatted(span(trace)),
                    TraceFlags.fromByte(flags(trace)),
                    TraceState.getDefault())));
  }

  private static long second(long trace) {
    return trace * 0x9e3779b97f4a7c15L;
  }

  private static long span(long trace) {
    return trace * 0xc2b2ae3d27d4eb4fL;
  }

  private static byte flags(long trace) {
    return (byte) (trace >>> 8 & 3);
  }

  /** {@return whether the parts of a record are not of one context} */
  static boolean isTorn(long trace, long second, long span, byte flags) {
    return second != second(trace) || span != span(trace) || flags != flags(trace);
  }

  /** As another library of the process would. */
  private static void publishOther() throws Throwable {
    Linker linker = Linker.nativeLinker();
    MemorySegment name = Arena.global().allocateFrom("OTEL_CTX");
    int fd =
        (int)
            linker
                .downcallHandle(
                    linker.defaultLookup().find("memfd_create").orElseThrow(),
                    FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT))
                .invokeExact(name, 1);
    int error =
        (int)
            linker
                .downcallHandle(
                    linker.defaultLookup().find("ftruncate").orElseThrow(),
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG))
                .invokeExact(fd, 4096L);
    MemorySegment mapping =
        (MemorySegment)
            linker
                .downcallHandle(
                    linker.defaultLookup().find("mmap").orElseThrow(),
                    FunctionDescriptor.of(
                        ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG))
                .invokeExact(MemorySegment.NULL, 4096L, 3, 2, fd, 0L);
    if (error != 0 || mapping.address() == -1) {
      throw new IllegalStateException("no memory");
    }
    MemorySegment memory = mapping.reinterpret(4096);
    MemorySegment.copy(name, 0, memory, 0, 8);
    memory.set(JAVA_INT, 8, 2);
    memory.set(JAVA_LONG, 24, memory.address() + 32);
    memory.set(JAVA_LONG, 16, 1);
  }
}
