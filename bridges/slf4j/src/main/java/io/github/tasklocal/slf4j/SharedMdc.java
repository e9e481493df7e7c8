// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.slf4j;

import io.github.tasklocal.context.ContextKey;
import io.github.tasklocal.context.ContextKeys;
import java.util.Deque;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.spi.MDCAdapter;

/**
 * A backend's MDC, whose listed values are task locals of the calling thread. The backend comes
 * first: what it refuses changes nothing here.
 */
final class SharedMdc implements MDCAdapter {

  private final MDCAdapter backend;
  private final ContextKeys keys;

  /** Whether a listed key had a deque in any thread: until then nobody looks for one. */
  private volatile boolean hasDeques;

  private SharedMdc(MDCAdapter backend, ContextKeys keys) {
    this.backend = backend;
    this.keys = keys;
  }

  /** {@return the MDC of a backend, which the keys show from now on} */
  static SharedMdc of(MDCAdapter backend, ContextKeys keys) {
    SharedMdc mdc = new SharedMdc(backend, keys);
    ContextKeys ignored = keys.with(mdc::value);
    return mdc;
  }

  /** {@return what the thread has of a name now} */
  private @Nullable String value(String name) {
    Deque<String> deque = hasDeques ? backend.getCopyOfDequeByKey(name) : null;
    String last = deque == null ? null : deque.peek();
    return last == null ? backend.get(name) : last;
  }

  /** Shows what the thread has for a key now, after a change. */
  private void show(ContextKey key) {
    key.show(value(key.name()));
  }

  private void showIfListed(@Nullable String name) {
    ContextKey key = keys.find(name);
    if (key != null) {
      show(key);
    }
  }

  private void showAll() {
    for (ContextKey each : keys.all()) {
      show(each);
    }
  }

  @Override
  public void put(String name, @Nullable String value) {
    backend.put(name, value);
    ContextKey key = keys.find(name);
    if (key == null) {
      return;
    }
    if (hasDeques) {
      show(key);
    } else {
      key.show(value);
    }
  }

  @Override
  public @Nullable String get(String name) {
    return backend.get(name);
  }

  @Override
  public void remove(String name) {
    backend.remove(name);
    ContextKey key = keys.find(name);
    if (key == null) {
      return;
    }
    if (hasDeques) {
      show(key);
    } else {
      key.show(null);
    }
  }

  @Override
  public void clear() {
    backend.clear();
    showAll();
  }

  @Override
  public @Nullable Map<String, String> getCopyOfContextMap() {
    return backend.getCopyOfContextMap();
  }

  @Override
  public void setContextMap(@Nullable Map<String, String> map) {
    backend.setContextMap(map);
    showAll();
  }

  @Override
  public void pushByKey(String name, @Nullable String value) {
    backend.pushByKey(name, value);
    if (keys.find(name) != null) {
      hasDeques = true;
    }
    showIfListed(name);
  }

  @Override
  public @Nullable String popByKey(String name) {
    String value = backend.popByKey(name);
    showIfListed(name);
    return value;
  }

  @Override
  public @Nullable Deque<String> getCopyOfDequeByKey(String name) {
    return backend.getCopyOfDequeByKey(name);
  }

  @Override
  public void clearDequeByKey(String name) {
    backend.clearDequeByKey(name);
    showIfListed(name);
  }
}
