// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.DumpedMap;
import io.github.tasklocal.kit.junit.KernelTest;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The spans and baggage of an application with the SDK, which knows nothing of task locals: a BPF
 * program of the tools finds them at the threads.
 */
@KernelTest
class ContextKernelIT {

  private static final SdkTracerProvider SDK = Sdk.recording();
  private static final Tracer TRACER = SDK.get("test");

  @SuppressWarnings("NullAway.Init")
  private static DumpedMap dumped;

  @SuppressWarnings("NullAway.Init")
  private static TaskLocalMap map;

  @BeforeAll
  static void share() {
    Object ignored = new TaskLocalContextStorageProvider(); // as OpenTelemetry does
    dumped = new DumpedMap();
    map = TaskLocalMap.open(dumped.pin());
  }

  @AfterAll
  static void shareNoMore() throws Exception {
    map.close();
    dumped.close();
    SDK.close();
  }

  private static String values() {
    return dumped.dump("trace_id:bytes", "span_id:bytes", "trace_flags:ubyte", "tenant:string");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aBpfProgramSeesTheTraceOfEachThread(boolean isVirtual) throws Exception {
    // One at a time on virtual threads, as there may be one carrier only.
    List<String> tenants = isVirtual ? List.of("acme") : List.of("acme", "globex");
    List<CompletableFuture<Span>> spans =
        tenants.stream().map(_ -> new CompletableFuture<Span>()).toList();
    CountDownLatch closed = new CountDownLatch(tenants.size());
    AtomicInteger step = new AtomicInteger();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < tenants.size(); i++) {
      String tenant = tenants.get(i);
      CompletableFuture<Span> ready = spans.get(i);
      threads.add(
          (isVirtual ? Thread.ofVirtual() : Thread.ofPlatform().name("is-" + tenant))
              .start(
                  () -> {
                    Span span = TRACER.spanBuilder("request").startSpan();
                    try (Scope _ = span.makeCurrent();
                        Scope _ = Baggage.builder().put("tenant", tenant).build().makeCurrent()) {
                      ready.complete(span);
                      DumpedMap.stayUntil(() -> step.get() >= 1);
                    }
                    span.end();
                    closed.countDown();
                    DumpedMap.stayUntil(() -> step.get() >= 2);
                  }));
    }
    try {
      for (CompletableFuture<Span> each : spans) {
        Await.until("a thread has its span", each::isDone, is -> is);
      }
      String during = values();
      for (int i = 0; i < tenants.size(); i++) {
        var context = spans.get(i).join().getSpanContext();
        assertThat(during)
            .containsPattern(
                (isVirtual ? "ForkJoinPool" : "is-" + tenants.get(i))
                    + "[^\n]* "
                    + context.getTraceId()
                    + " +"
                    + context.getSpanId()
                    + " +"
                    + context.getTraceFlags().asByte()
                    + " +\""
                    + tenants.get(i)
                    + "\" *\n");
      }
      step.set(1);
      closed.await();
      assertThat(values())
          .doesNotContain(spans.get(0).join().getSpanContext().getTraceId(), "\"acme\"")
          .containsPattern("0".repeat(32) + " +" + "0".repeat(16) + " +0 +\"\" *\n");
    } finally {
      step.set(2);
      for (Thread each : threads) {
        each.join();
      }
    }
  }
}
