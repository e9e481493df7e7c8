// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.util.Arrays;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Where the copies of the library in one process find what they share.
 *
 * <p>The only place of a JVM that every class loader sees, where an object may lie that is no text,
 * and where nobody else stumbles over it, is a thread. The system's properties are none: {@code
 * list}, {@code store} and {@code storeToXML} fail on a value that is no text, and {@code
 * System.setProperties} would make a second home. So the data is the {@linkplain
 * LockSupport#getBlocker blocker} of a daemon thread with a {@linkplain #THREAD name} of its own in
 * the root group. The thread is one of {@link Timer}'s that has run its last task and waits for
 * ever: no class of ours is on its stack, so that it keeps no copy. (Before JDK 24 a thread has an
 * access control context, which keeps the first copy's.)
 */
final class Home {

  /** The name of the thread. */
  static final String THREAD = "TaskLocal data";

  /** Of the data's form: copies of other versions have data of their own. */
  static final Integer VERSION = 6;

  private static final String LIBRARY = "io.github.tasklocal";

  private record Unsaid(String message, @Nullable Throwable cause) {}

  /** What has failed, to be logged under no lock. */
  private static volatile @Nullable Unsaid unsaid;

  private Home() {}

  /** Logs what has failed, once. */
  static void log() {
    Unsaid now = unsaid;
    if (now != null) {
      unsaid = null;
      boolean ignored = Log.warn(now.message, now.cause);
    }
  }

  /**
   * Finds the data, or makes it for the process.
   *
   * @param slotBytes how much each thread has, if it is made
   * @return that of the process; data of the calling copy alone if the process's is of another
   *     version, or no thread can be started
   */
  static Object[] find(int slotBytes) {
    synchronized (LIBRARY.intern()) { // a monitor that all copies have
      Object[] known = known();
      if (known != null && VERSION.equals(known[1])) {
        return (Object[]) known[2];
      }
      Object[] parts = SharedData.fresh(slotBytes);
      if (known == null) {
        publish(new Object[] {LIBRARY, VERSION, parts, null});
        return parts;
      }
      unsaid =
          new Unsaid(
              "Another version of this library is in use in the process, in another class loader."
                  + " The two do not know of each other's values: a thread that both use can have"
                  + " its entry in a map from one of them only. Use the same version.",
              null);
      return parts;
    }
  }

  private static ThreadGroup root() {
    ThreadGroup group = Thread.currentThread().getThreadGroup();
    for (ThreadGroup up = group; up != null; up = up.getParent()) {
      group = up;
    }
    return group;
  }

  private static Object @Nullable [] known() {
    ThreadGroup root = root();
    Thread[] threads;
    int count;
    do {
      threads = new Thread[root.activeCount() * 2 + 64];
      count = root.enumerate(threads);
    } while (count == threads.length);
    for (Thread each : Arrays.copyOf(threads, count)) {
      if (each.getName().equals(THREAD)
          && LockSupport.getBlocker(each) instanceof Object[] found
          && found.length == 4
          && LIBRARY.equals(found[0])) {
        return found;
      }
    }
    return null;
  }

  private static void publish(Object[] home) {
    Publisher publisher = new Publisher(home);
    // In a thread of its own, as a timer's inherits much from the one that makes it.
    Thread thread =
        Thread.ofPlatform()
            .group(root())
            .daemon()
            .name("tasklocal-start")
            .inheritInheritableThreadLocals(false)
            .unstarted(publisher);
    thread.setContextClassLoader(null);
    Throwable failure;
    try {
      thread.start();
      failure = publisher.await();
    } catch (RuntimeException | Error e) {
      failure = e;
    }
    if (failure != null) {
      unsaid =
          new Unsaid(
              "No thread can be started to keep the data that copies of this library share; a copy"
                  + " in another class loader would not know of this one.",
              failure);
    }
  }

  private static final class Publisher extends TimerTask {
    private final Object[] home;
    private boolean done;
    private @Nullable Throwable failure;

    Publisher(Object[] home) {
      this.home = home;
    }

    /** Runs in the thread that makes the timer, and then in the timer's own. */
    @Override
    public void run() {
      boolean goesOn = false;
      try {
        if (home[3] == null) {
          Timer timer = new Timer(THREAD, true);
          home[3] = timer; // its thread ends when it is unreachable
          timer.schedule(this, 0);
          goesOn = true;
        } else {
          LockSupport.setCurrentBlocker(home);
        }
      } catch (RuntimeException | Error e) {
        failure = e;
      } finally {
        if (!goesOn) {
          end();
        }
      }
    }

    private synchronized void end() {
      done = true;
      notifyAll();
    }

    /** {@return why the data could not be published, or null} */
    synchronized @Nullable Throwable await() {
      boolean interrupted = false;
      while (!done) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      return failure;
    }
  }
}
