// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import io.github.tasklocal.TaskLocal;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextStorage;
import io.opentelemetry.context.ContextStorageProvider;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;

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
    List<String> is = List.of(args);
    if (is.contains("taken")) {
      taken();
      return;
    }
    if (is.contains("wrapped")) {
      ContextStorage.addWrapper(Wrapped::new);
    }
    if (is.contains("late")) {
      try (Scope _ = Context.root().makeCurrent()) {
        System.out.println("storage " + ContextStorage.get().getClass().getName());
      }
    }
    for (int i = is.contains("twice") ? 2 : 1; i > 0; i--) {
      OpenTelemetry sdk =
          is.contains("by hand")
              ? OpenTelemetrySdk.builder().setTracerProvider(Sdk.recording()).build()
              : configured();
      for (Thread.Builder each : new Thread.Builder[] {Thread.ofPlatform(), Thread.ofVirtual()}) {
        each.start(() -> work(sdk)).join();
      }
    }
  }

  private static OpenTelemetry configured() {
    return AutoConfiguredOpenTelemetrySdk.builder().build().getOpenTelemetrySdk();
  }

  /** What an application puts around its storage. */
  private record Wrapped(ContextStorage storage) implements ContextStorage {

    @Override
    public Scope attach(Context context) {
      return storage.attach(context);
    }

    @Override
    public @Nullable Context current() {
      return storage.current();
    }
  }

  /** The name is the application's own. */
  private static void taken() {
    TaskLocal.OfSegment mine =
        TaskLocal.of("trace_id", MemoryLayout.sequenceLayout(32, ValueLayout.JAVA_BYTE));
    mine.setString("mine");
    TaskLocal.OfSegment tenant =
        TaskLocal.of("tenant", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
    Span span =
        configured()
            .getTracer("test")
            .spanBuilder("request")
            .setAttribute("tenant", "acme")
            .startSpan();
    try (Scope _ = span.makeCurrent()) {
      System.out.println("tenant " + tenant.getString());
    }
    System.out.println(mine.getString().equals("mine") ? "done" : "changed");
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
