// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.memory.Entry.Status;
import org.jspecify.annotations.Nullable;

/**
 * Goes through the threads of a map, one at a time under the registry's lock, and lets others have
 * the lock in between. Threads that come meanwhile may be left out.
 */
final class Walk {

  /** How many threads for which nothing is to do are passed by, before others get the lock. */
  private static final int SKIPPED = 256;

  /** How many are passed by at most for each for which something may be done. */
  private static final long PASSED = 64;

  private final Registry registry;

  Walk(Registry registry) {
    this.registry = registry;
  }

  /** What is done for each thread. */
  enum Work {
    REGISTER,
    TRY_AGAIN,
    LOOK,
    TAKE_OUT
  }

  /** {@return whether there was anything to do} */
  private static boolean work(OpenMap map, ThreadRecord record, Work work) {
    Entry entry = record.knownEntry(map);
    boolean isSet = entry != null && entry.status() == Status.SET;
    switch (work) {
      case REGISTER -> map.register(record);
      case TRY_AGAIN -> {
        if (!isSet) {
          map.registerAgain(record);
        }
        return !isSet;
      }
      case LOOK -> {
        if (entry != null && isSet) {
          map.look(entry);
        }
        return isSet;
      }
      case TAKE_OUT -> Leftovers.takeOut(record, map);
    }
    return true;
  }

  /** Does something for every thread. */
  void all(OpenMap map, Work work) {
    ThreadRecord ignored = go(map, work, null, Integer.MAX_VALUE);
  }

  /**
   * Does something for threads, one at a time under the lock, and once for each.
   *
   * @param from the first, or null for the first of all
   * @param most for how many at most; 64 times as many are looked at
   * @return with which to go on the next time
   */
  @Nullable ThreadRecord go(OpenMap map, Work work, @Nullable ThreadRecord from, int most) {
    ThreadRecord at = from;
    boolean wrapped = false;
    int done = 0;
    long passed = 0;
    while (done < most && passed < most * PASSED) {
      letFirstUsesPass();
      synchronized (registry.lock) {
        registry.catchUp();
        if (map.shared.users() == 0 && work != Work.TAKE_OUT) {
          return null; // closed meanwhile, and its descriptor may be another map's by now
        }
        at = registry.threads.from(at);
        if (at == null && !wrapped) {
          wrapped = true;
          at = registry.threads.first();
        }
        boolean worked = false;
        for (int i = 0; i < SKIPPED && at != null && !worked; i++) {
          if (wrapped && at == from) {
            return at;
          }
          worked = work(map, at, work);
          passed++;
          at = at.next;
        }
        if (at == null && wrapped) {
          return null;
        }
        done += worked ? 1 : 0;
      }
    }
    return at;
  }

  private void letFirstUsesPass() {
    for (int i = 0; i < 1000 && registry.data.waiting.get() > 0; i++) {
      Thread.onSpinWait();
    }
  }
}
