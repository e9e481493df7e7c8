// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.memory.ThreadPages;
import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.List;
import java.util.Optional;

/** A second copy of the library, in a class loader of its own, which shares nothing with ours. */
final class SecondCopy implements AutoCloseable {

  private final URLClassLoader loader;
  private final Object key;

  /** Makes its key "life.00" at the given offset, which BPF may have cached. */
  SecondCopy(long offset) throws IOException, ReflectiveOperationException {
    URL library = Children.home(TaskLocal.class).toUri().toURL();
    loader = new URLClassLoader(new URL[] {library}, ClassLoader.getPlatformClassLoader());
    Class<?> keys = loader.loadClass(TaskLocal.class.getName());
    if (keys == TaskLocal.class) {
      throw new AssertionError("this is no second copy");
    }
    if (offset > 8) {
      Object ignored =
          keys.getMethod("of", String.class, SequenceLayout.class)
              .invoke(
                  null,
                  "second.padding",
                  MemoryLayout.sequenceLayout(offset - 8, ValueLayout.JAVA_BYTE));
    }
    key =
        keys.getMethod("of", String.class, ValueLayout.OfInt.class)
            .invoke(null, "life.00", ValueLayout.JAVA_INT);
  }

  void set(int value) {
    call(key, "set", List.of(int.class), value);
  }

  int get() {
    return (int) call(key, "get", List.of());
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

  @Override
  public void close() throws IOException {
    // The copy's own keeper may still have to load a class.
    Await.until(
        "no keeper runs",
        () ->
            Thread.getAllStackTraces().keySet().stream()
                .noneMatch(each -> each.getName().equals("tasklocal-keeper")));
    loader.close();
  }
}
