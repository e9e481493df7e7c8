// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextStorage;
import io.opentelemetry.context.ContextStorageProvider;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import java.util.List;

/** An application with the SDK, which looks at the task locals that it knows nothing of. */
final class TraceChild {

  private TraceChild() {}

  /** A provider of the application, which says that it is used. */
  public static final class Own implements ContextStorageProvider {

    /** Made by OpenTelemetry. */
    public Own() {}

    @Override
    public ContextStorage get() {
      System.out.println("the application's own storage");
      return ContextStorage.defaultStorage();
    }
  }

  public static void main(String[] args) throws Exception {
    if (List.of(args).contains("late")) {
      try (Scope _ = Context.root().makeCurrent()) {
        System.out.println("storage " + ContextStorage.get().getClass().getName());
      }
    }
    OpenTelemetry sdk = AutoConfiguredOpenTelemetrySdk.initialize().getOpenTelemetrySdk();
    for (Thread.Builder each : new Thread.Builder[] {Thread.ofPlatform(), Thread.ofVirtual()}) {
      each.start(() -> work(sdk)).join();
    }
  }

  private static void work(OpenTelemetry sdk) {
    Span span = sdk.getTracer("test").spanBuilder("request").startSpan();
    try (Scope _ = span.makeCurrent()) {
      Seen seen = Seen.now();
      System.out.println(
          seen.traceId().equals(span.getSpanContext().getTraceId())
                  && seen.spanId().equals(span.getSpanContext().getSpanId())
              ? "seen"
              : "not seen " + seen);
    }
    System.out.println("after " + Seen.now().equals(Seen.NOTHING));
  }
}
