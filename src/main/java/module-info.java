// SPDX-License-Identifier: Apache-2.0

/**
 * BPF task local data for Java: values of a thread that a BPF program reads and writes.
 *
 * <p>The module calls native code, so start Java with {@code
 * --enable-native-access=io.github.tasklocal} (or {@code ALL-UNNAMED} if the library is on the
 * class path). BPF programs see the values of virtual threads where {@code jdk.internal.misc} of
 * {@code java.base} is exported to this module: by {@code --add-exports}, by the manifest of an
 * executable jar, or with this library's jar as {@code -javaagent}.
 */
@SuppressWarnings("module") // a bridge, which is built later
module io.github.tasklocal {
  requires static java.instrument; // for the agent in this jar
  requires static java.management; // to tell Java's threads from others, and for the MBean
  requires static jdk.jfr; // for its events
  requires static org.jspecify;

  exports io.github.tasklocal;
  exports io.github.tasklocal.bpf;
  exports io.github.tasklocal.error;
  exports io.github.tasklocal.layout;
  exports io.github.tasklocal.management;
  exports io.github.tasklocal.memory to
      io.github.tasklocal.context, // which tells profilers where values are
      java.instrument; // which calls the agent
}
