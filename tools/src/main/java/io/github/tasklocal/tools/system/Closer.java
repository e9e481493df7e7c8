// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Closes what others have sent, or may have sent something with: the last close of a socket that
 * lingers, or of a file whose file system is a process, takes as long as its owner likes. So each
 * is closed in a thread that may hang, and hangs are counted by user.
 */
public final class Closer {

  private final ConcurrentMap<Integer, Integer> open = new ConcurrentHashMap<>();
  private final ExecutorService threads =
      Executors.newCachedThreadPool(
          Thread.ofPlatform().name("closes-", 0).daemon().stackSize(256 * 1024).factory());

  /**
   * Closes a descriptor soon.
   *
   * @param uid of the user it came from
   */
  public void close(int descriptor, int uid) {
    int ignored = open.merge(uid, 1, Integer::sum);
    threads.execute(
        () -> {
          Native.close(descriptor);
          open.computeIfPresent(uid, (user, count) -> count == 1 ? null : count - 1);
        });
  }

  /** {@return how many descriptors of a user's are not closed yet} */
  public int open(int uid) {
    return open.getOrDefault(uid, 0);
  }
}
