// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.log4j;

import io.github.tasklocal.context.ContextKey;
import io.github.tasklocal.context.ContextKeys;
import java.io.Serial;
import java.util.Map;
import org.apache.logging.log4j.ThreadContext;
import org.apache.logging.log4j.spi.DefaultThreadContextMap;
import org.jspecify.annotations.Nullable;

/**
 * The map of Log4j's {@code ThreadContext}, whose listed values are also task locals. Java is told
 * by two options:
 *
 * <pre>{@code
 * -Dlog4j2.threadContextMap=io.github.tasklocal.log4j.TaskLocalThreadContextMap
 * -Dtasklocal.context=tenant:16,http.route:32
 * }</pre>
 *
 * <p>The list is that of {@link ContextKeys}. For a listed key, its value in the calling thread is
 * what the ThreadContext has there. That goes for values put through SLF4J's {@code MDC}, too,
 * where Log4j is its backend. The stack of the ThreadContext (NDC) is not shown.
 *
 * <p>Otherwise this is Log4j's own {@code DefaultThreadContextMap}, also where another one was
 * chosen ({@code log4j2.garbagefree.threadContextMap}). If maps are inherited ({@code
 * log4j2.isThreadContextMapInheritable}), a new thread shows nothing of what it has inherited until
 * that is changed there.
 *
 * <p>Needs Log4j 2.19, and Java 22: an older one is told so in the log, and nothing is shown.
 */
public final class TaskLocalThreadContextMap extends DefaultThreadContextMap {

  @Serial private static final long serialVersionUID = 1;

  /** This class is compiled for older ones, so that it can say so there. */
  private static final int OLDEST_JAVA = 22;

  /** Null if there are none in this Java. */
  private static final @Nullable ContextKeys KEYS = keys();

  /** Makes a map; Log4j calls it. */
  public TaskLocalThreadContextMap() {}

  private static @Nullable ContextKeys keys() {
    if (Runtime.version().feature() >= OLDEST_JAVA) {
      return ContextKeys.ofProcess().warnIfEmpty("Log4j's ThreadContext").with(ThreadContext::get);
    }
    System.getLogger("io.github.tasklocal")
        .log(
            System.Logger.Level.WARNING,
            "No value of Log4j's ThreadContext is shown: TaskLocal needs Java %d or newer, and this"
                    .formatted(OLDEST_JAVA)
                + " is "
                + Runtime.version());
    return null;
  }

  private static void show(String name, @Nullable String value) {
    ContextKey key = KEYS == null ? null : KEYS.find(name);
    if (key != null) {
      key.show(value);
    }
  }

  private void showAll() {
    if (KEYS != null) {
      for (ContextKey each : KEYS.all()) {
        each.show(get(each.name()));
      }
    }
  }

  @Override
  public void put(String name, @Nullable String value) {
    super.put(name, value);
    show(name, value);
  }

  @Override
  public void putAll(Map<String, String> values) {
    super.putAll(values);
    showAll();
  }

  @Override
  public void remove(String name) {
    super.remove(name);
    show(name, null);
  }

  @Override
  public void removeAll(Iterable<String> names) {
    super.removeAll(names);
    showAll();
  }

  @Override
  public void clear() {
    super.clear();
    showAll();
  }
}
