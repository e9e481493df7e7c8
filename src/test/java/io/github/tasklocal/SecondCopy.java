// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.memory.ThreadPages;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.List;
import java.util.Optional;

/** A second copy of the library, in a class loader of its own, which shares no class with ours. */
final class SecondCopy {

  private final ClassLoader loader;
  private final Object key;

  SecondCopy() {
    this("life.00");
  }

  /** Makes a key. */
  SecondCopy(String name) {
    try {
      URL library = Children.home(TaskLocal.class).toUri().toURL();
      // Not closed: it has folders alone, and the copy's threads may still have to load a class.
      loader = new URLClassLoader(new URL[] {library}, ClassLoader.getPlatformClassLoader());
      Class<?> keys = loader.loadClass(TaskLocal.class.getName());
      if (keys == TaskLocal.class) {
        throw new AssertionError("this is no second copy");
      }
      key =
          keys.getMethod("of", String.class, ValueLayout.OfInt.class)
              .invoke(null, name, ValueLayout.JAVA_INT);
    } catch (IOException | ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }

  /** Tells when the copy's classes are gone. */
  WeakReference<ClassLoader> classes() {
    return new WeakReference<>(loader);
  }

  void set(int value) {
    call(key, "set", List.of(int.class), value);
  }

  int get() {
    return (int) call(key, "get", List.of());
  }

  /** {@return a bound value of the calling thread, which holds its page} */
  Object bind() {
    return call(key, "bind", List.of());
  }

  /** {@return {@code ThreadPages.keeperRounds()} of the copy} */
  long keeperRounds() {
    try {
      Class<?> keeper = loader.loadClass(ThreadPages.class.getName());
      return (long) keeper.getMethod("keeperRounds").invoke(null);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }

  CopiedMap open(int fd) {
    try {
      Class<?> maps = loader.loadClass(TaskLocalMap.class.getName());
      return new CopiedMap(maps.getMethod("of", int.class).invoke(null, fd));
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }

  /** A {@link TaskLocalMap} of the copy's. */
  final class CopiedMap implements AutoCloseable {
    private final Object map;

    private CopiedMap(Object map) {
      this.map = map;
    }

    void takeOver() {
      try {
        Class<?> choice = loader.loadClass(TaskLocalMap.ForeignEntries.class.getName());
        call(map, "foreignEntries", List.of(choice), choice.getField("TAKE_OVER").get(null));
      } catch (ReflectiveOperationException e) {
        throw new LinkageError(e.getMessage(), e);
      }
    }

    int failures() {
      return (int) call(map, "failures", List.of());
    }

    int unregistered() {
      return ((List<?>) call(map, "unregistered", List.of())).size();
    }

    /** The name of the exception's class: it is the copy's own. */
    Optional<String> lastFailure() {
      return ((Optional<?>) call(map, "lastFailure", List.of()))
          .map(failure -> failure.getClass().getSimpleName());
    }

    @Override
    public void close() {
      call(map, "close", List.of());
    }
  }

  private static Object call(
      Object target, String name, List<Class<?>> types, Object... arguments) {
    try {
      Method method = target.getClass().getMethod(name, types.toArray(Class<?>[]::new));
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw new AssertionError(e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }
}
