// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.slf4j;

import io.github.tasklocal.context.ContextKeys;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import org.jspecify.annotations.Nullable;
import org.slf4j.ILoggerFactory;
import org.slf4j.IMarkerFactory;
import org.slf4j.LoggerFactory;
import org.slf4j.helpers.NOPMDCAdapter;
import org.slf4j.helpers.NOP_FallbackServiceProvider;
import org.slf4j.spi.MDCAdapter;
import org.slf4j.spi.SLF4JServiceProvider;

/**
 * The provider of the application's logging backend, with an {@code MDC} whose listed values are
 * also task locals. Java is told by two options:
 *
 * <pre>{@code
 * -Dslf4j.provider=io.github.tasklocal.slf4j.TaskLocalServiceProvider
 * -Dtasklocal.context=tenant:16,http.route:32
 * }</pre>
 *
 * <p>The list is that of {@link ContextKeys}. Logging is the backend's, and so is all of {@code
 * MDC} except for what is done beside each change: for a listed key, its value in the calling
 * thread is what the MDC has there; if it has a deque of that name, what was pushed last.
 *
 * <p>Needs Java 22; an older one is told so in the log, and nothing is shown. Needs SLF4J 2.0.9, in
 * which the option is new, and a backend for SLF4J 2: Logback 1.3, Log4j 2.19, {@code slf4j-jdk14}
 * or another. The backend is found as SLF4J finds it. Of several the first is taken, unless the
 * system property {@value #BACKEND} has the class name of another one. A backend without an MDC
 * ({@code slf4j-simple}) has none with this provider either, which is logged.
 */
public final class TaskLocalServiceProvider implements SLF4JServiceProvider {

  /** The system property that names the provider of the backend, where there are several. */
  public static final String BACKEND = "tasklocal.slf4j.provider";

  /** This class is compiled for older ones, so that it can say so there. */
  private static final int OLDEST_JAVA = 22;

  private final SLF4JServiceProvider backend;
  private @Nullable MDCAdapter backends;
  private @Nullable MDCAdapter mdc;

  /** Finds the backend's provider; SLF4J calls it. */
  public TaskLocalServiceProvider() {
    backend = find();
  }

  private static SLF4JServiceProvider find() {
    String named = System.getProperty(BACKEND);
    List<SLF4JServiceProvider> found = new ArrayList<>();
    List<String> names = new ArrayList<>();
    Iterator<SLF4JServiceProvider> all =
        ServiceLoader.load(SLF4JServiceProvider.class, LoggerFactory.class.getClassLoader())
            .iterator();
    while (true) {
      try {
        if (!all.hasNext()) {
          break;
        }
        SLF4JServiceProvider each = all.next();
        names.add(each.getClass().getName());
        if (named == null || named.equals(each.getClass().getName())) {
          found.add(each);
        }
      } catch (ServiceConfigurationError e) {
        warn("A provider of SLF4J cannot be made, and is left out: " + e.getMessage());
      }
    }
    if (found.isEmpty()) {
      warn(
          named == null
              ? "There is no provider for SLF4J 2 on the class path, so nothing is logged: add a"
                  + " backend, such as logback-classic 1.3 or newer"
              : "There is no provider %s (-D%s) on the class path, so nothing is logged: there %s"
                  .formatted(named, BACKEND, names.isEmpty() ? "is none" : "are " + names));
      return new NOP_FallbackServiceProvider();
    }
    if (found.size() > 1) {
      warn(
          "There are several providers for SLF4J, %s, and the first is used: leave one on the class"
                  .formatted(names)
              + " path, or name it with -D"
              + BACKEND
              + "=CLASS");
    }
    return found.get(0);
  }

  @Override
  public void initialize() {
    backend.initialize();
  }

  @Override
  public ILoggerFactory getLoggerFactory() {
    return backend.getLoggerFactory();
  }

  @Override
  public IMarkerFactory getMarkerFactory() {
    return backend.getMarkerFactory();
  }

  /** SLF4J asks before and after {@link #initialize}, and backends answer at different times. */
  @Override
  @SuppressWarnings("ReferenceEquality") // another object is another MDC
  public synchronized @Nullable MDCAdapter getMDCAdapter() {
    MDCAdapter theirs = backend.getMDCAdapter();
    if (theirs != backends) {
      backends = theirs;
      mdc = theirs == null ? null : shared(theirs);
    }
    return mdc;
  }

  private MDCAdapter shared(MDCAdapter theirs) {
    if (theirs instanceof NOPMDCAdapter) {
      warn(
          "The backend of SLF4J, %s, has no MDC, so there is nothing to show: use one that has, such"
                  .formatted(backend.getClass().getName())
              + " as Logback or Log4j");
      return theirs;
    }
    if (Runtime.version().feature() < OLDEST_JAVA) {
      warn(
          "No value of the MDC is shown: TaskLocal needs Java %d or newer, and this is %s"
              .formatted(OLDEST_JAVA, Runtime.version()));
      return theirs;
    }
    ContextKeys keys = ContextKeys.ofProcess().warnIfEmpty("the MDC");
    return keys.isEmpty() ? theirs : SharedMdc.of(theirs, keys);
  }

  @Override
  public String getRequestedApiVersion() {
    return backend.getRequestedApiVersion();
  }

  /** Logs a warning; what the log throws is dropped, since the application goes on without us. */
  private static void warn(String message) {
    try {
      System.getLogger("io.github.tasklocal").log(System.Logger.Level.WARNING, message);
    } catch (RuntimeException | Error e) {
      // The application must not fail for it.
    }
  }
}
