// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Closes what others have sent, or may have sent something with: the last close of a socket that
 * lingers, or of a file whose file system is a process, takes as long as its owner likes. So each
 * is closed in a thread that may hang. Of those there are a few for each user, so that one who has
 * them hang holds up no other; what they have not come to yet is counted by user.
 */
public final class Closer {

  private static final int THREADS_OF_USER = 4;
  private static final int THREADS = 256;

  private record Job(int descriptor, int uid) {}

  /** Under the lock of this, as all below: descriptors that no thread closes yet, by user. */
  private final Map<Integer, Deque<Integer>> waiting = new LinkedHashMap<>();

  /** How many threads are at a descriptor of each user's. */
  private final Map<Integer, Integer> closing = new HashMap<>();

  private int threads;

  /**
   * Closes a descriptor soon.
   *
   * @param uid of the user it came from
   */
  public synchronized void close(int descriptor, int uid) {
    waiting.computeIfAbsent(uid, user -> new ArrayDeque<>()).add(descriptor);
    if (threads < THREADS && isFree(uid)) {
      start();
    }
  }

  private boolean isFree(int uid) {
    return closing.getOrDefault(uid, 0) < THREADS_OF_USER;
  }

  private void start() {
    threads++;
    try {
      Thread ignored =
          Thread.ofPlatform().name("closes").daemon().stackSize(256 * 1024).start(this::run);
    } catch (OutOfMemoryError e) {
      threads--; // The system gives no thread now. What waits is for the next one that is started.
    }
  }

  private void run() {
    for (Job job = next(null); job != null; job = next(job)) {
      Native.close(job.descriptor());
    }
  }

  /** {@return what a thread closes after what it has closed; null if nothing waits for it} */
  private synchronized @Nullable Job next(@Nullable Job done) {
    if (done != null) {
      closing.computeIfPresent(done.uid(), (user, count) -> count == 1 ? null : count - 1);
    }
    Integer uid = waiting.keySet().stream().filter(this::isFree).findFirst().orElse(null);
    Deque<Integer> ofUser = uid == null ? null : waiting.get(uid);
    if (uid == null || ofUser == null) {
      threads--;
      return null;
    }
    Job job = new Job(ofUser.remove(), uid);
    if (ofUser.isEmpty()) {
      waiting.remove(uid);
    }
    int ignored = closing.merge(uid, 1, Integer::sum);
    return job;
  }

  /** {@return how many descriptors of a user's are not closed yet} */
  public synchronized int open(int uid) {
    Deque<Integer> ofUser = waiting.get(uid);
    return closing.getOrDefault(uid, 0) + (ofUser == null ? 0 : ofUser.size());
  }
}
