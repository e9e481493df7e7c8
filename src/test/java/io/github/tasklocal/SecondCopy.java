// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.github.tasklocal.memory.ThreadPages;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/** A second copy of the library, in a class loader of its own, which shares no class with ours. */
final class SecondCopy {

  private static final String PACKAGE = "io.github.tasklocal";

  /** As long as the other, so that class files stay valid. */
  private static final String RELOCATED = "io.github.relocated";

  private final ClassLoader loader;
  private final Object key;

  SecondCopy() {
    this("life.00");
  }

  /** Makes a key. */
  SecondCopy(String name) {
    this(another(), TaskLocal.class.getName(), name);
  }

  /** {@return a copy whose packages have another name, as in a jar that has relocated it} */
  static SecondCopy relocated() {
    String type = TaskLocal.class.getName().replace(PACKAGE, RELOCATED);
    return new SecondCopy(new Relocating(), type, "life.00");
  }

  private static ClassLoader another() {
    try {
      URL library = Children.home(TaskLocal.class).toUri().toURL();
      // Not closed: it has folders alone, and the copy's threads may still have to load a class.
      return new URLClassLoader(new URL[] {library}, ClassLoader.getPlatformClassLoader());
    } catch (IOException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }

  private static final class Relocating extends ClassLoader {
    Relocating() {
      super(ClassLoader.getPlatformClassLoader());
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
      String file = name.replace(RELOCATED, PACKAGE).replace('.', '/') + ".class";
      try (InputStream stream = TaskLocal.class.getClassLoader().getResourceAsStream(file)) {
        byte[] type = Objects.requireNonNull(stream, file).readAllBytes();
        byte[] relocated =
            new String(type, ISO_8859_1)
                .replace(PACKAGE, RELOCATED)
                .replace(PACKAGE.replace('.', '/'), RELOCATED.replace('.', '/'))
                .getBytes(ISO_8859_1);
        return defineClass(name, relocated, 0, relocated.length);
      } catch (IOException e) {
        throw new ClassNotFoundException(name, e);
      }
    }
  }

  private SecondCopy(ClassLoader loader, String type, String name) {
    this.loader = loader;
    try {
      Class<?> keys = loader.loadClass(type);
      if (keys == TaskLocal.class) {
        throw new AssertionError("this is no second copy");
      }
      key =
          keys.getMethod("of", String.class, ValueLayout.OfInt.class)
              .invoke(null, name, ValueLayout.JAVA_INT);
    } catch (ReflectiveOperationException e) {
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
