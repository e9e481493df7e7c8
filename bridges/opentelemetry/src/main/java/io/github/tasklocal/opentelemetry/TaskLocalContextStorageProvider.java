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
 * The way in for applications whose SDK is not configured by the environment, or that use a context
 * before it is: shows the same as {@link TaskLocalCustomizerProvider}. OpenTelemetry makes all
 * providers of its class path when it makes its storage of contexts, so this one is never too late.
 * It is named in a jar of its own, {@code tasklocal-opentelemetry-VERSION-storage.jar}, which has
 * to be on the class path, too.
 *
 * <p>The storage is that of the application: of the provider that {@code
 * -Dio.opentelemetry.context.contextStorageProvider} names, or else of its only other provider, or
 * else OpenTelemetry's. Without that option OpenTelemetry takes its default where there are two
 * providers, and warns of it; then the application's own is put in the default's place, and the log
 * says so. That cannot be done if others wrap the storage as well: then the log says what to name.
 */
public final class TaskLocalContextStorageProvider implements ContextStorageProvider {

  private static final String CHOICE = "io.opentelemetry.context.contextStorageProvider";

  private static boolean isFound;
  private static boolean isChosen;

  /** Makes a provider; OpenTelemetry calls it. */
  public TaskLocalContextStorageProvider() {
    find();
  }

  /** Wrappers come in after all providers were made, whichever of them is chosen. */
  private static synchronized void find() {
    if (!isFound) {
      isFound = true;
      ContextStorage.addWrapper(SharedContextStorage::of);
    }
  }

  @Override
  public ContextStorage get() {
    choose();
    List<ContextStorageProvider> others = others();
    if (others.size() == 1) {
      return others.get(0).get();
    }
    if (others.size() > 1) {
      SharedContextStorage.warn(
          "OpenTelemetry's default storage of contexts is used, as there are several providers of"
              + " another: leave one of %s on the class path".formatted(names(others)));
    }
    return ContextStorage.defaultStorage();
  }

  private static synchronized void choose() {
    isChosen = true;
  }

  /** {@return the storage that the application would have if this class were not there} */
  @SuppressWarnings("ReferenceEquality") // the default is one object
  static synchronized ContextStorage applications(ContextStorage storage) {
    if (!isFound || isChosen || !System.getProperty(CHOICE, "").isEmpty()) {
      return storage;
    }
    List<ContextStorageProvider> others = others();
    if (others.size() != 1) {
      return storage;
    }
    String its = others.get(0).getClass().getName();
    if (storage != ContextStorage.defaultStorage()) {
      SharedContextStorage.warn(
          "OpenTelemetry uses its default storage of contexts instead of that of %s: start java with -D%s=%s"
              .formatted(its, CHOICE, its));
      return storage;
    }
    SharedContextStorage.warn(
        "The storage of contexts is that of %s, although OpenTelemetry says that it is the default; to tell it so, start java with -D%s=%s"
            .formatted(its, CHOICE, its));
    return others.get(0).get();
  }

  private static String names(List<ContextStorageProvider> providers) {
    return String.join(", ", providers.stream().map(each -> each.getClass().getName()).toList());
  }

  /** {@return the providers that OpenTelemetry finds, without this one} */
  private static List<ContextStorageProvider> others() {
    List<ContextStorageProvider> found = new ArrayList<>();
    Iterator<ContextStorageProvider> all =
        ServiceLoader.load(
                ContextStorageProvider.class, ContextStorageProvider.class.getClassLoader())
            .iterator();
    while (true) {
      try {
        if (!all.hasNext()) {
          return found;
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
  }
}
