// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;

/** An SDK as applications have: with a processor, without which no span is recorded. */
final class Sdk {

  private Sdk() {}

  static SdkTracerProvider recording() {
    return SdkTracerProvider.builder()
        .addSpanProcessor(SimpleSpanProcessor.create(SpanExporter.composite()))
        .build();
  }
}
