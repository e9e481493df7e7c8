// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.micrometer;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalScope;
import io.github.tasklocal.context.ContextKey;
import io.github.tasklocal.context.ContextKeys;
import io.micrometer.context.ThreadLocalAccessor;
import org.jspecify.annotations.Nullable;

/**
 * Carries the values of the listed keys where Micrometer's context propagation carries a context: to
 * the threads of Reactor, WebFlux, Spring's executors and others. Being on the class path, with
 * {@code context-propagation} 1.0 or newer, is enough for its registry; Java is told what to carry:
 *
 * <pre>{@code -Dtasklocal.context=tenant:16,http.route:32}</pre>
 *
 * <p>The list is that of {@link ContextKeys}. All values are one of the registry's values, with the
 * key {@value #KEY}. A thread without values carries that, too: then work of no tenant is nobody's,
 * wherever it goes on. Without a list nothing is carried.
 *
 * <p>Each capture allocates what {@link TaskLocal#capture} does, and so does each time that the values
 * are set in another thread.
 */
public final class TaskLocalAccessor implements ThreadLocalAccessor<TaskLocalScope> {

  /** The key of the values in the registry. */
  public static final String KEY = "tasklocal";

  private final ContextKeys keys = ContextKeys.ofProcess();
  private final TaskLocal[] locals =
      keys.all().stream().map(ContextKey::local).toArray(TaskLocal[]::new);

  /** Makes an accessor; the registry calls it. */
  public TaskLocalAccessor() {}

  @Override
  public Object key() {
    return KEY;
  }

  @Override
  public @Nullable TaskLocalScope getValue() {
    return locals.length == 0 ? null : TaskLocal.capture(locals);
  }

  @Override
  public void setValue(TaskLocalScope values) {
    // Never closed: the registry puts the earlier values back.
    TaskLocalScope.Entered _ = values.enter();
  }

  @Override
  public void setValue() {
    keys.all().forEach(each -> each.set(null));
  }

  /** What setValue without an argument was called before version 1.0.3. */
  @Override
  @Deprecated
  public void reset() {
    setValue();
  }
}
