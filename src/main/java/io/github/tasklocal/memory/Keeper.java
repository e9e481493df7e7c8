// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A daemon thread that follows pins, tries registrations again, and forgets ended threads. It runs
 * as long as a map is open or watched.
 */
public final class Keeper {

  /** The interval at which watched pins are checked, by one stat(2) each. */
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private static final long TEND_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** How many entries of a map are checked each second; that takes some hundred microseconds. */
  private static final int ENTRIES = 64;

  private static final List<Watch> WATCHES = new CopyOnWriteArrayList<>();

  private static final Object LOCK = new Object();

  private static @Nullable Thread thread;

  private static volatile long rounds;

  private Keeper() {}

  /**
   * {@return how many times the keeper has looked after threads and entries since the process
   * began} For tests that have to wait for it.
   */
  public static long rounds() {
    return rounds;
  }

  /** Follows a pin from now on. */
  static void follow(Watch watch) {
    WATCHES.add(watch);
    start();
  }

  static void unfollow(Watch watch) {
    WATCHES.remove(watch);
    wake();
  }

  /** Wakes the thread, which may not be needed any more. */
  static void wake() {
    synchronized (LOCK) {
      LockSupport.unpark(thread);
    }
  }

  /** Starts the thread if there is none, and wakes it if there is. */
  static void start() {
    OutOfMemoryError failure = null;
    synchronized (LOCK) {
      if (thread != null) {
        LockSupport.unpark(thread);
        return;
      }
      Thread keeper =
          Thread.ofPlatform()
              .daemon()
              .name("tasklocal-keeper")
              .inheritInheritableThreadLocals(false)
              .unstarted(Keeper::run);
      keeper.setContextClassLoader(null); // it may outlive the application that opened a map
      try {
        keeper.start();
        thread = keeper;
      } catch (OutOfMemoryError e) {
        failure = e;
      }
    }
    if (failure != null) {
      boolean ignored =
          Log.warn(
              "No thread can be started to follow pins and to try registrations again; the next"
                  + " map that is opened tries it again. Raise the limit of threads (ulimit -u).",
              failure);
    }
  }

  private static void run() {
    long tended = System.nanoTime();
    boolean failed = false;
    while (isNeeded()) {
      try {
        WATCHES.forEach(Watch::look);
        if (System.nanoTime() - tended >= TEND_NANOS) {
          ThreadPages.tend(ENTRIES);
          tended = System.nanoTime();
          long count = rounds; // changed by one thread at a time
          rounds = count + 1;
        }
      } catch (RuntimeException | Error e) {
        if (!failed) {
          failed = Log.warn("Pins and threads could not be looked after; trying again.", e);
        }
      }
      LockSupport.parkNanos(WATCHES.isEmpty() ? TEND_NANOS : LOOK_NANOS);
    }
  }

  private static boolean isNeeded() {
    synchronized (LOCK) {
      if (WATCHES.isEmpty() && !ThreadPages.haveMaps()) {
        thread = null;
        return false;
      }
      return true;
    }
  }
}
