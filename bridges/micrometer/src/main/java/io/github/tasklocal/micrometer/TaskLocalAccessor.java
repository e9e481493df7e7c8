// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.micrometer;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalScope;
import io.github.tasklocal.context.ContextKey;
import io.github.tasklocal.context.ContextKeys;
import io.micrometer.context.ThreadLocalAccessor;
import org.jspecify.annotations.Nullable;

/**
 * Carries the values of the listed keys where Micrometer's context propagation carries a context:
 * to the threads of Reactor, WebFlux, Spring's executors and others. Being on the class path, with
 * {@code context-propagation} 1.0.3 or newer, is enough for its registry; Java is told what to
 * carry:
 *
 * <pre>{@code -Dtasklocal.context=tenant:16,http.route:32}</pre>
 *
 * <p>The list is that of {@link ContextKeys}. All values are one of the registry's values, with the
 * key {@value #KEY}. A thread without values carries that, too: then work of no tenant is nobody's,
 * wherever it goes on. Without a list, or in a Java older than 22, nothing is carried.
 *
 * <p>Each capture allocates what {@link TaskLocal#capture} does, and so does each time that the
 * values are set in another thread.
 */
public final class TaskLocalAccessor implements ThreadLocalAccessor<TaskLocalScope> {

  /** The key of the values in the registry. */
  public static final String KEY = "tasklocal";

  /** This class is compiled for older ones, where it carries nothing. */
  private static final int OLDEST_JAVA = 22;

  /** What is carried, or null if there is nothing. */
  private final TaskLocal @Nullable [] locals;

  /** Makes an accessor; the registry calls it. */
  public TaskLocalAccessor() {
    locals = Runtime.version().feature() < OLDEST_JAVA ? none() : locals();
  }

  private static TaskLocal @Nullable [] none() {
    if (System.getProperty("tasklocal.context") != null) {
      System.getLogger("io.github.tasklocal")
          .log(
              System.Logger.Level.WARNING,
              "No values are carried: TaskLocal needs Java %d or newer, and this is %s"
                  .formatted(OLDEST_JAVA, Runtime.version()));
    }
    return null;
  }

  private static TaskLocal @Nullable [] locals() {
    ContextKeys keys = ContextKeys.ofProcess();
    return keys.isEmpty()
        ? null
        : keys.all().stream().map(ContextKey::local).toArray(TaskLocal[]::new);
  }

  @Override
  public Object key() {
    return KEY;
  }

  @Override
  public @Nullable TaskLocalScope getValue() {
    return locals == null ? null : TaskLocal.capture(locals);
  }

  @Override
  public void setValue(TaskLocalScope values) {
    // Never closed: the registry puts the earlier values back.
    TaskLocalScope.Entered ignored = values.enter();
  }

  @Override
  public void setValue() {
    if (locals != null) {
      ContextKeys.ofProcess().all().forEach(each -> each.set(null));
    }
  }

  /** What setValue without an argument was called before version 1.0.3. */
  @Override
  @Deprecated
  @SuppressWarnings("InlineMeSuggester") // nobody calls it but that registry
  public void reset() {
    setValue();
  }
}
