// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.context;

import io.github.tasklocal.TaskLocal;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The keys that bridges fill, from a list in the system property {@value #PROPERTY}:
 *
 * <pre>{@code -Dtasklocal.context=tenant:16,http.route:32,user.id:long}</pre>
 *
 * <p>An element is the name of a value in the other context, and of the key, and after the last
 * colon what the key holds:
 *
 * <ul>
 *   <li>a number of bytes from 2 to 4080, for a text: UTF-8, filled up with NULs, of which there is
 *       at least one. A text that is longer is cut, in whole characters. The key equals that of a
 *       {@code MemoryLayout.sequenceLayout(16, JAVA_BYTE)}, and BPF programs find a {@code
 *       char[16]};
 *   <li>{@code boolean}, {@code byte}, {@code short}, {@code char}, {@code int}, {@code long},
 *       {@code float} or {@code double}, for a text that says such a value: a number in decimal,
 *       {@code true} or {@code false}, one character. Another text counts as no value, which is
 *       said once for each key.
 * </ul>
 *
 * <p>A thread without a value has the empty text, or zero.
 *
 * <p>An element that cannot be a key (see {@link TaskLocal}: a process has 64 keys, whose values
 * share 4080 bytes) is named in the log, as a warning of the logger {@code io.github.tasklocal},
 * and left out. Nothing here throws: an application does not fail for being observed.
 */
public final class ContextKeys {

  /** The system property with the list. */
  public static final String PROPERTY = "tasklocal.context";

  private static final Logger LOGGER = System.getLogger("io.github.tasklocal");

  private final Map<String, ContextKey> keys;
  private final Contexts contexts;

  private ContextKeys(Map<String, ContextKey> keys, Contexts contexts) {
    this.keys = keys;
    this.contexts = contexts;
  }

  /** What bridges show, each of which has values of the calling thread. */
  static final class Contexts {

    /** Replaced as a whole. */
    private volatile List<Function<String, @Nullable String>> all = List.of();

    synchronized void add(Function<String, @Nullable String> context) {
      List<Function<String, @Nullable String>> more = new ArrayList<>(all);
      more.add(context);
      all = List.copyOf(more);
    }

    /** {@return the value that one has, or null; asked by one of them, which has none} */
    @Nullable String ask(String name) {
      List<Function<String, @Nullable String>> asked = all;
      String value = null;
      // An iterator would be allocated at each change of a context.
      for (int i = 0; i < asked.size() && asked.size() > 1 && value == null; i++) {
        value = asked.get(i).apply(name);
      }
      return value;
    }
  }

  private static final class OfProcess {
    static final ContextKeys KEYS = parse(System.getProperty(PROPERTY, ""));
  }

  /**
   * {@return the keys of this process} The property is read at the first call, which makes the keys
   * and logs what cannot be; the same object is returned from then on.
   */
  public static ContextKeys ofProcess() {
    return OfProcess.KEYS;
  }

  /**
   * {@return the keys of a list, in its order} Those that cannot be are logged and left out.
   *
   * @param list as in the system property
   */
  public static ContextKeys parse(String list) {
    Map<String, ContextKey> keys = new LinkedHashMap<>();
    Contexts contexts = new Contexts();
    List<String> problems = new ArrayList<>();
    for (String each : list.split(",")) {
      String element = each.strip();
      if (!element.isEmpty()) {
        add(keys, contexts, element, problems);
      }
    }
    if (!problems.isEmpty()) {
      warn("-D" + PROPERTY + ": left out " + String.join("; ", problems));
    }
    return new ContextKeys(keys, contexts);
  }

  private static void add(
      Map<String, ContextKey> keys, Contexts contexts, String element, List<String> problems) {
    int colon = element.lastIndexOf(':');
    String name = element.substring(0, Math.max(colon, 0)).strip();
    String type = element.substring(colon + 1).strip();
    if (name.isEmpty() || type.isEmpty()) {
      problems.add(
          "\"%s\", which is no NAME:TYPE: write the bytes of a text after the name, as in tenant:16,"
                  .formatted(element)
              + " or a type, as in user.id:long");
      return;
    }
    if (keys.containsKey(name)) {
      problems.add("the second \"%s\": name each key once".formatted(name));
      return;
    }
    try {
      keys.put(name, ContextKey.of(name, type, contexts));
    } catch (IllegalArgumentException e) {
      problems.add("\"%s\": %s".formatted(element, e.getMessage()));
    } catch (RuntimeException | LinkageError e) {
      // Whatever keeps the key from being made: the application goes on without it.
      problems.add("\"%s\": %s".formatted(element, e));
    }
  }

  /** {@return whether there are none} */
  public boolean isEmpty() {
    return keys.isEmpty();
  }

  /** {@return all, in the order of the list} */
  public Collection<ContextKey> all() {
    return keys.values();
  }

  /**
   * {@return the key of a name, or null if it is not in the list} A look-up in a hash table.
   *
   * @param name or null, which no key has
   */
  public @Nullable ContextKey find(@Nullable String name) {
    return keys.get(name);
  }

  /**
   * Names a context from which a bridge fills the keys. Where one context has no value of a key any
   * more, the key shows that of another ({@link ContextKey#show}); the one named first comes first.
   *
   * @param context tells the value that the calling thread has of a name, or null; called in any
   *     thread, as long as the process lives
   * @return this
   */
  public ContextKeys with(Function<String, @Nullable String> context) {
    contexts.add(context);
    return this;
  }

  /**
   * Says in the log that nothing is shown, if there are no keys: for a bridge that the user has
   * asked for.
   *
   * @param source what the bridge shows, such as "the MDC"
   * @return this
   */
  public ContextKeys warnIfEmpty(String source) {
    if (isEmpty()) {
      warn(
          "No value of %s is shown: list them, as in -D%s=tenant:16,http.route:32"
              .formatted(source, PROPERTY));
    }
    return this;
  }

  static void warn(String message) {
    warn(message, null);
  }

  /** Logs a warning; what the log throws is dropped, as it is foreign code. */
  static void warn(String message, @Nullable Throwable cause) {
    try {
      LOGGER.log(Level.WARNING, message, cause);
    } catch (RuntimeException | Error e) {
      // The application must not fail for it.
    }
  }

  @Override
  public String toString() {
    return "ContextKeys" + keys.values();
  }
}
