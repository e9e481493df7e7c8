// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextStorage;
import io.opentelemetry.sdk.autoconfigure.spi.AutoConfigurationCustomizer;
import io.opentelemetry.sdk.autoconfigure.spi.AutoConfigurationCustomizerProvider;
import io.opentelemetry.sdk.trace.ReadWriteSpan;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SpanProcessor;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Shows the trace of each thread to BPF programs: whenever a context of OpenTelemetry becomes a
 * thread's current one, by {@code attach} or by the close of another, its span is in the keys
 * {@code trace_id}, {@code span_id} and {@code trace_flags} ({@link
 * io.github.tasklocal.context.TraceKeys}). Names in the list that all bridges have are looked for
 * in the context's baggage, and then in the attributes of its span, as these are at that moment:
 *
 * <pre>{@code -Dtasklocal.context=tenant:16,http.route:32}</pre>
 *
 * <p>A listed key changes only where the context has another value than the one before: one that is
 * in no context can be filled by another bridge.
 *
 * <p>Where the SDK is configured by the environment ({@code AutoConfiguredOpenTelemetrySdk}), it
 * finds this class on the class path. So does OpenTelemetry's Java agent in an extension. The
 * application's storage of contexts stays what it is, and is wrapped. OpenTelemetry ignores a
 * wrapper without a word when the storage was made before: so the first span looks whether that
 * happened, and the log says what to do ({@link TaskLocalContextStorageProvider}).
 *
 * <p>Needs OpenTelemetry 1.28 and Java 22; an older Java is told so in the log, and nothing is
 * shown.
 */
public final class TaskLocalCustomizerProvider implements AutoConfigurationCustomizerProvider {

  /** Makes a provider; OpenTelemetry calls it. */
  public TaskLocalCustomizerProvider() {}

  @Override
  public void customize(AutoConfigurationCustomizer customizer) {
    if (!SharedContextStorage.isMade()) {
      ContextStorage.addWrapper(SharedContextStorage::of);
      customizer.addTracerProviderCustomizer(
          (builder, config) -> builder.addSpanProcessor(new FirstSpan()));
    }
    if (SharedContextStorage.isJavaNewEnough()) {
      customizer.addResourceCustomizer(
          (resource, config) -> {
            Resources.publish(resource);
            return resource;
          });
    }
  }

  /** The last, so that the resource is as all others have made it. */
  @Override
  public int order() {
    return Integer.MAX_VALUE;
  }

  /** Looks at the first span only; at the others it costs one read. */
  private static final class FirstSpan implements SpanProcessor {

    /** The process's, as the storage is: an application may have several SDKs. */
    private static final AtomicBoolean IS_SEEN = new AtomicBoolean();

    @Override
    public void onStart(Context parent, ReadWriteSpan span) {
      if (!IS_SEEN.get() && IS_SEEN.compareAndSet(false, true)) {
        ContextStorage storage = ContextStorage.get(); // made now, if it was not
        if (!SharedContextStorage.isMade()) {
          SharedContextStorage.warn(
              "No trace is shown: OpenTelemetry had made its storage of contexts, a %s, before its SDK"
                      .formatted(storage.getClass().getName())
                  + " was configured. Add tasklocal-opentelemetry-VERSION-storage.jar to the class"
                  + " path, which comes in earlier");
        }
      }
    }

    @Override
    public boolean isStartRequired() {
      return true;
    }

    @Override
    public void onEnd(ReadableSpan span) {}

    @Override
    public boolean isEndRequired() {
      return false;
    }
  }
}
