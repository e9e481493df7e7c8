// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import io.github.tasklocal.context.ProcessContext;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.ReadableSpan;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What an SDK says of its process, for profilers. Loaded only where there is an SDK, and used where
 * Java is new enough.
 */
final class Resources {

  private Resources() {}

  /** Publishes the resource of a span's SDK, if this is the first call. */
  static void publish(Span span) {
    if (span instanceof ReadableSpan readable) {
      publish(readable.toSpanData().getResource());
    }
  }

  /** Publishes a resource, if this is the first call. */
  static void publish(Resource resource) {
    Map<String, Object> attributes = new LinkedHashMap<>();
    resource.getAttributes().forEach((key, value) -> attributes.put(key.getKey(), value));
    ProcessContext.publish(attributes);
  }
}
