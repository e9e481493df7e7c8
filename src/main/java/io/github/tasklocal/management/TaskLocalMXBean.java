// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.management;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the library does in a process, for those who operate it. It is in the platform's MBean
 * server by the name {@link #NAME}, from at most a second after both are in use: a map, open or
 * watched, and the MBean server, which this library does not start (an agent, {@code jconsole} or
 * the application does). It goes when the last map is closed. One bean answers for the whole
 * process, whatever the copies of the library in it; of maps that are waited for, it shows those of
 * its own copy.
 *
 * <p>Each attribute is found out when it is asked for, in time that grows with the number of
 * threads. Nothing of it is on the way of {@code get} and {@code set}. A recording of the JDK's
 * Flight Recorder has the same but the keys, as events {@code io.github.tasklocal.Map} (each second
 * in which something has changed) and {@code io.github.tasklocal.UnshownThread}.
 */
public interface TaskLocalMXBean {

  /** The bean's name. */
  String NAME = "io.github.tasklocal:type=TaskLocal";

  /** {@return the keys, in the order in which they were made} */
  List<KeyView> getKeys();

  /** {@return the maps that are open, and those that are waited for} */
  List<MapView> getMaps();

  /**
   * {@return the live threads whose values some map does not show, with the reason} At most {@value
   * #MOST_THREADS}; {@link MapView#unregistered} and {@link MapView#waiting} count all.
   */
  List<ThreadView> getUnshownThreads();

  /**
   * {@return how many registrations and removals of entries have failed in the open maps, by kind:
   * the name of the exception, and the errno if the kernel gave one}
   */
  Map<String, Integer> getFailures();

  /**
   * {@return how many virtual threads have used a key since the process began, whose values BPF
   * does not see}
   */
  long getUnseenVirtualThreads();

  /** {@return why the last of them is not seen, and what mends it; null if there is none} */
  @Nullable String getUnseenReason();

  /** How many threads {@link #getUnshownThreads} has at most. */
  int MOST_THREADS = 1000;

  /**
   * A key.
   *
   * @param name its name
   * @param layout what its values are made of, as {@code MemoryLayout} writes it
   * @param bytes how long a value is
   */
  record KeyView(String name, String layout, int bytes) {}

  /**
   * A map that is open or waited for.
   *
   * @param name the map by its name and id, or the path that is watched
   * @param state {@code attached} through a map, {@code served} through a serving side's socket, or
   *     {@code waiting}
   * @param id the kernel's id of the map; 0 if there is none
   * @param wire the map's wire; empty if there is none
   * @param threads how many live threads have an entry
   * @param waiting how many live threads had their values before the serving side was there, and
   *     are seen from their next use of a key on
   * @param unregistered how many other live threads should have an entry and do not
   * @param failures how many registrations and removals of entries have failed
   * @param problem what has failed last, or what is waited for; null if nothing has
   */
  record MapView(
      String name,
      String state,
      int id,
      String wire,
      int threads,
      int waiting,
      int unregistered,
      int failures,
      @Nullable String problem) {}

  /**
   * A thread whose values a map does not show.
   *
   * @param map the map by its name and id, or the socket
   * @param tid the kernel's id of the thread
   * @param thread its name
   * @param reason why, and what mends it
   */
  record ThreadView(String map, int tid, String thread, String reason) {}
}
