// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextStorage;
import io.opentelemetry.sdk.autoconfigure.spi.AutoConfigurationCustomizer;
import io.opentelemetry.sdk.autoconfigure.spi.AutoConfigurationCustomizerProvider;
import io.opentelemetry.sdk.trace.ReadWriteSpan;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SpanProcessor;

/**
 * The way in for an extension of OpenTelemetry's Java agent, whose storage of contexts no provider
 * reaches: shows the same as {@link TaskLocalContextStorageProvider}. Where the SDK of an
 * application is configured by the environment, it finds this class, too; it changes nothing there
 * unless another provider of the storage was chosen.
 *
 * <p>OpenTelemetry ignores a wrapper of its storage without a word when the storage was made
 * before. So the first span looks whether that happened, and the log says what to do.
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
  }

  /** Looks at the first span only; at the others it costs one read. */
  private static final class FirstSpan implements SpanProcessor {

    private volatile boolean isSeen;

    @Override
    public void onStart(Context parent, ReadWriteSpan span) {
      if (!isSeen) {
        isSeen = true;
        ContextStorage storage = ContextStorage.get(); // made now, if it was not
        if (!SharedContextStorage.isMade()) {
          SharedContextStorage.warn(
              "No trace is shown: OpenTelemetry had made its storage of contexts, %s, before its SDK"
                      .formatted(storage)
                  + " was configured. Start java with"
                  + " -Dio.opentelemetry.context.contextStorageProvider="
                  + TaskLocalContextStorageProvider.class.getName());
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
