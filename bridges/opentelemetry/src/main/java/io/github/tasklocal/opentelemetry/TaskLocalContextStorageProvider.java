// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import io.opentelemetry.context.ContextStorage;
import io.opentelemetry.context.ContextStorageProvider;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/**
 * Shows the trace of each thread to BPF programs: whenever a context of OpenTelemetry becomes a
 * thread's current one, by {@code attach} or by the close of another, its span is in the keys
 * {@code trace_id}, {@code span_id} and {@code trace_flags} ({@link
 * io.github.tasklocal.context.TraceKeys}). Being on the class path is enough. Names in the list
 * that all bridges have are looked for in the context's baggage, and then in the attributes of its
 * span, as these are at that moment:
 *
 * <pre>{@code -Dtasklocal.context=tenant:16,http.route:32}</pre>
 *
 * <p>A listed key changes only where the context has another value than the one before: one that is
 * in no context can be filled by another bridge.
 *
 * <p>OpenTelemetry finds this class when it makes its storage of contexts, so it cannot come too
 * late. The storage itself is that of the application's own provider, or else OpenTelemetry's. With
 * a provider of the application on the class path OpenTelemetry wants to be told which to use:
 *
 * <pre>{@code
 * -Dio.opentelemetry.context.contextStorageProvider=\
 * io.github.tasklocal.opentelemetry.TaskLocalContextStorageProvider
 * }</pre>
 *
 * <p>Needs OpenTelemetry 1.28 and Java 22; an older Java is told so in the log, and nothing is
 * shown.
 */
public final class TaskLocalContextStorageProvider implements ContextStorageProvider {

  /** Makes a provider; OpenTelemetry calls it. */
  public TaskLocalContextStorageProvider() {}

  @Override
  public ContextStorage get() {
    return SharedContextStorage.of(applications());
  }

  private static ContextStorage applications() {
    List<ContextStorageProvider> found = new ArrayList<>();
    Iterator<ContextStorageProvider> all =
        ServiceLoader.load(
                ContextStorageProvider.class, ContextStorageProvider.class.getClassLoader())
            .iterator();
    while (true) {
      try {
        if (!all.hasNext()) {
          break;
        }
        ContextStorageProvider each = all.next();
        if (!(each instanceof TaskLocalContextStorageProvider)) {
          found.add(each);
        }
      } catch (ServiceConfigurationError e) {
        SharedContextStorage.warn(
            "A provider of OpenTelemetry's context storage cannot be made, and is left out: "
                + e.getMessage());
      }
    }
    if (found.size() > 1) {
      SharedContextStorage.warn(
          "There are several providers of OpenTelemetry's context storage, %s, so its default is"
                  .formatted(found)
              + " used: leave one on the class path");
    }
    return found.size() == 1 ? found.get(0).get() : ContextStorage.defaultStorage();
  }
}
