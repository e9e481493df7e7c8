// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import java.util.Collection;

/** How threads are registered on this kernel. Results are 0 or negative errnos. */
interface Registration {

  /** {@return the ways that processes may use, as {@link Message} names them} */
  int ways();

  /**
   * Registers a thread that a pidfd stands for.
   *
   * @param pidfd what a process has sent: anything
   * @param array of that process
   */
  int set(ServedProcess process, int pidfd, ServedArray array, int page, int start);

  /**
   * Registers a thread by its number.
   *
   * @param tid in the process's own pid namespace
   */
  int set(ServedProcess process, long tid, ServedArray array, int page, int start);

  /** Takes out the entry of a thread that a pidfd stands for. */
  int remove(ServedProcess process, int pidfd);

  /** Takes out the entry of a thread by its number. */
  int remove(ServedProcess process, long tid);

  /**
   * Takes out the entries of all threads that a process has, which owns no array any more.
   *
   * @param pid of the process, which may have ended
   * @throws RuntimeException if that is not done, and has to be tried again
   */
  void removeAll(int pid);

  /** {@return whether maps of others may come, for which {@link #follow} looks} */
  default boolean follows() {
    return false;
  }

  /** Registers the threads of all processes that are served with maps that have come. */
  default void follow(Collection<ServedProcess> processes, ServeLog log) {}
}
