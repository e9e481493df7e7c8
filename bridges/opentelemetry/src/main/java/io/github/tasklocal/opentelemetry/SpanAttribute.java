// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import io.github.tasklocal.context.ContextKey;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.sdk.trace.ReadableSpan;
import org.jspecify.annotations.Nullable;

/** An attribute of spans. Loaded only where there is an SDK, whose spans have them. */
final class SpanAttribute {

  /** The type belongs to an attribute's name, and one name has one type nearly always. */
  private final AttributeKey<?>[] keys;

  private SpanAttribute(String name) {
    keys =
        new AttributeKey<?>[] {
          AttributeKey.stringKey(name),
          AttributeKey.longKey(name),
          AttributeKey.booleanKey(name),
          AttributeKey.doubleKey(name)
        };
  }

  static SpanAttribute named(ContextKey key) {
    return new SpanAttribute(key.name());
  }

  /** {@return its value now, as a text, or null if the span has none} */
  @Nullable String of(Span span) {
    if (span instanceof ReadableSpan readable) {
      for (AttributeKey<?> each : keys) {
        Object value = readable.getAttribute(each);
        if (value != null) {
          return value.toString();
        }
      }
    }
    return null;
  }
}
