// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.instrument.Instrumentation;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The agent of the library's jar: {@code java -javaagent:tasklocal.jar} allows values to follow
 * virtual threads, as {@code --add-exports} does, by exporting {@code jdk.internal.misc} to the
 * module of this very class. {@code -javaagent:tasklocal.jar=default} names the map as well.
 *
 * <p>The virtual machine appends an agent's jar to the class path, where the system class loader
 * and all loaders that ask it first find one copy of the library; a copy that stands earlier on the
 * class path, or on the module path, is loaded in place of the agent's, this class included, and
 * gets the export. Loaders that ask their parents last (those of web applications, OSGi bundles)
 * bring copies in modules of their own, which get nothing from here: these need {@code
 * --add-exports} with {@code ALL-UNNAMED}.
 *
 * <p>Public, as are its methods, since the virtual machine's agent support asks that of a class in
 * a named module; the package is exported to that alone.
 */
public final class Agent {

  /** Names the map that is watched from the first key on. */
  public static final String MAP = "tasklocal.map";

  private Agent() {}

  /**
   * Before the application's {@code main}; throws nothing, and logs what fails.
   *
   * @param arguments names the map to watch from the first key on, as {@code -Dtasklocal.map=}
   *     does, which comes first; null or empty for none
   */
  public static void premain(@Nullable String arguments, Instrumentation instrumentation) {
    allow(instrumentation);
    if (arguments != null && !arguments.isEmpty() && System.getProperty(MAP) == null) {
      String ignored = System.setProperty(MAP, arguments);
    }
  }

  /**
   * In a virtual machine that runs; throws nothing, and logs what fails. It comes too late if a
   * virtual thread has used a key already: whether values follow is decided then. A map that the
   * arguments name is watched if no key was made yet.
   */
  public static void agentmain(@Nullable String arguments, Instrumentation instrumentation) {
    premain(arguments, instrumentation);
  }

  private static void allow(Instrumentation instrumentation) {
    try {
      instrumentation.redefineModule(
          Object.class.getModule(),
          Set.of(),
          Map.of("jdk.internal.misc", Set.of(Agent.class.getModule())),
          Map.of(),
          Set.of(),
          Map.of());
    } catch (RuntimeException | Error e) {
      boolean ignored =
          Log.warn(
              "The agent could not export java.base/jdk.internal.misc to this library: values do not"
                  + " follow virtual threads, unless Java is started with --add-exports",
              e);
    }
  }
}
