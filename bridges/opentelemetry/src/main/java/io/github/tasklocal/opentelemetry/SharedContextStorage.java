// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import io.github.tasklocal.context.ContextKey;
import io.github.tasklocal.context.ContextKeys;
import io.github.tasklocal.context.TraceKeys;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextStorage;
import io.opentelemetry.context.Scope;
import java.lang.System.Logger.Level;
import org.jspecify.annotations.Nullable;

/**
 * The application's storage of contexts, where each change of the calling thread's current context
 * also changes its task locals. The storage comes first, and what is shown is what it has then.
 */
final class SharedContextStorage implements ContextStorage {

  /** This class is compiled for older ones, so that it can say so there. */
  private static final int OLDEST_JAVA = 22;

  /** Whether there is one: two ways lead here, and an application may go both. */
  private static boolean isMade;

  private final ContextStorage storage;
  private final Listed[] listed;
  private final boolean hasAttributes;

  /** Whether a span has told of its SDK, if that was not configured by the environment. */
  private volatile boolean isPublished;

  /** Whether a problem of the context was logged: once is enough. */
  private volatile boolean isSaid;

  private record Listed(ContextKey key, @Nullable SpanAttribute attribute) {

    @Nullable String of(Context context) {
      String value = Baggage.fromContext(context).getEntryValue(key.name());
      return value != null || attribute == null ? value : attribute.of(Span.fromContext(context));
    }
  }

  private SharedContextStorage(ContextStorage storage, ContextKeys keys) {
    this.storage = storage;
    hasAttributes = hasSdk();
    listed =
        keys.all().stream()
            .map(key -> new Listed(key, hasAttributes ? SpanAttribute.named(key) : null))
            .toArray(Listed[]::new);
  }

  /** {@return whether spans with attributes that can be read are known where this class is} */
  private static boolean hasSdk() {
    try {
      Class.forName(
          "io.opentelemetry.sdk.trace.ReadableSpan",
          false,
          SharedContextStorage.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException e) {
      return false;
    }
  }

  /**
   * {@return a storage whose contexts are shown, around the application's; the same one where they
   * are shown already, or cannot be, which is said}
   */
  static synchronized ContextStorage of(ContextStorage given) {
    if (isMade) {
      return given;
    }
    isMade = true;
    ContextStorage storage = TaskLocalContextStorageProvider.applications(given);
    if (!isJavaNewEnough()) {
      warn(
          "No trace is shown: TaskLocal needs Java %d or newer, and this is %s"
              .formatted(OLDEST_JAVA, Runtime.version()));
      return storage;
    }
    try {
      ContextKeys keys = ContextKeys.ofProcess();
      if (!TraceKeys.areShown() && keys.isEmpty()) {
        return storage;
      }
      SharedContextStorage shared = new SharedContextStorage(storage, keys);
      ContextKeys ignored = keys.with(shared::value);
      return shared;
    } catch (RuntimeException | Error e) {
      warn("No trace is shown, and the application goes on: " + e);
      return storage;
    }
  }

  /** {@return whether this Java has what the library needs} */
  static boolean isJavaNewEnough() {
    return Runtime.version().feature() >= OLDEST_JAVA;
  }

  /** {@return whether there is one, or it was said why not} */
  static synchronized boolean isMade() {
    return isMade;
  }

  @Override
  @SuppressWarnings("ReferenceEquality") // another object is another context
  public Scope attach(Context context) {
    Context before = storage.current();
    Scope scope = storage.attach(context);
    Context now = storage.current();
    if (now == before) {
      return scope;
    }
    show(before, now);
    return new Shown(scope);
  }

  @Override
  public @Nullable Context current() {
    return storage.current();
  }

  @Override
  public Context root() {
    return storage.root();
  }

  /** A context that is attached. */
  private final class Shown implements Scope {

    private final Scope scope;

    Shown(Scope scope) {
      this.scope = scope;
    }

    /** The storage decides what is current then: it may refuse to close out of order. */
    @Override
    @SuppressWarnings("ReferenceEquality") // another object is another context
    public void close() {
      Context before = storage.current();
      try {
        scope.close();
      } finally {
        Context now = storage.current();
        if (now != before) {
          show(before, now);
        }
      }
    }
  }

  /** Shows the difference of two contexts: what is in neither of them belongs to others. */
  @SuppressWarnings("ReferenceEquality") // another object is another span
  private void show(@Nullable Context before, @Nullable Context now) {
    try {
      Context from = before == null ? storage.root() : before;
      Context to = now == null ? storage.root() : now;
      Span span = Span.fromContext(to);
      boolean isOtherSpan = span != Span.fromContext(from);
      if (isOtherSpan) {
        show(span.getSpanContext());
        if (!isPublished && hasAttributes && span.getSpanContext().isValid()) {
          isPublished = true;
          Resources.publish(span);
        }
      }
      if (listed.length > 0
          && (hasAttributes || Baggage.fromContext(to) != Baggage.fromContext(from))) {
        showListed(from, to);
      }
    } catch (RuntimeException | Error e) {
      if (!isSaid) {
        isSaid = true;
        warn("A context could not be shown, and the thread goes on. (Said once.) " + e);
      }
    }
  }

  private static void show(SpanContext span) {
    if (span.isValid()) {
      TraceKeys.set(span.getTraceId(), span.getSpanId(), span.getTraceFlags().asByte());
    } else {
      TraceKeys.clear();
    }
  }

  /** What is shown need not be what the context before has now: a span gets attributes later. */
  private void showListed(Context from, Context to) {
    for (Listed each : listed) {
      String value = each.of(to);
      if (value != null || each.of(from) != null) {
        each.key.show(value);
      }
    }
  }

  /** {@return what the calling thread's context has of a name} */
  private @Nullable String value(String name) {
    Context now = storage.current();
    for (Listed each : listed) {
      if (now != null && each.key.name().equals(name)) {
        return each.of(now);
      }
    }
    return null;
  }

  /** Logs a warning; what the log throws is dropped, since the application goes on without us. */
  static void warn(String message) {
    try {
      System.getLogger("io.github.tasklocal").log(Level.WARNING, message);
    } catch (RuntimeException | Error e) {
      // The application must not fail for it.
    }
  }
}
