// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A daemon thread that follows pins, tries registrations again, and forgets ended threads. It runs
 * as long as this copy of the library has a map open or watched, and is kept by anything else
 * ({@link Beat}). Nothing that fails ends it, and it runs no code that is not ours: log handlers
 * and listeners, which may block, are called by threads of their own.
 */
public final class Keeper {

  /** The interval at which watched pins are checked, by one stat(2) each. */
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private static final long TEND_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** How many entries of a map are checked each second; that takes some hundred microseconds. */
  private static final int ENTRIES = 64;

  private static final String NAME = "tasklocal-keeper";

  /** How many rounds a thread of ours makes. */
  private static final int OURS = 10;

  private final Maps maps;
  private final List<Watch> watches = new CopyOnWriteArrayList<>();
  private final Object lock = new Object();

  private @Nullable Thread thread;
  private @Nullable Management management;

  /** Whether the MBean is being registered. */
  private final AtomicBoolean registers = new AtomicBoolean();

  /** Kept here alone: when nothing keeps this, the thread ends. */
  @SuppressWarnings("UnusedVariable")
  private @Nullable Rounds work;

  private volatile long rounds;

  /** What has failed last, so that each failure is logged once as long as it lasts. */
  private @Nullable String lastFailure;

  Keeper(Maps maps) {
    this.maps = maps;
  }

  /**
   * {@return how many times the keeper has looked after threads and entries since the process
   * began} For tests that have to wait for it.
   */
  public long rounds() {
    return rounds;
  }

  /** Follows a pin from now on. */
  void follow(Watch watch) {
    watches.add(watch);
    start();
  }

  void unfollow(Watch watch) {
    watches.remove(watch);
    wake();
  }

  /** Wakes the thread, which may not be needed any more. */
  void wake() {
    synchronized (lock) {
      LockSupport.unpark(thread);
    }
  }

  /** Starts the thread if there is none, and wakes it if there is. */
  void start() {
    Throwable failure = null;
    synchronized (lock) {
      if (thread != null && thread.isAlive()) {
        LockSupport.unpark(thread);
        return;
      }
      try {
        work = new Rounds();
        Thread keeper = newThread(NAME, work);
        keeper.start();
        thread = keeper;
      } catch (RuntimeException | Error e) {
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

  /** {@return a thread that belongs to no application's group, and keeps no class loader} */
  private static Thread newThread(String name, Runnable code) {
    ThreadGroup group = Thread.currentThread().getThreadGroup();
    for (ThreadGroup up = group; up != null; up = up.getParent()) {
      group = up;
    }
    Thread thread =
        Thread.ofPlatform()
            .group(group)
            .daemon()
            .name(name)
            .inheritInheritableThreadLocals(false)
            .unstarted(code);
    thread.setContextClassLoader(null);
    return thread;
  }

  /** The work; the thread that does it is at first one of ours, and then one that keeps nothing. */
  private final class Rounds implements Runnable, BooleanSupplier {

    private final AtomicLong wait = new AtomicLong(TEND_NANOS);
    private long tended = System.nanoTime();

    @Override
    public void run() {
      boolean goesOn = getAsBoolean();
      // Method handles take some time, and not while the application starts.
      for (int i = 1; goesOn; i++) {
        if (i > OURS && handOver()) {
          return;
        }
        LockSupport.parkNanos(wait.get());
        goesOn = getAsBoolean();
      }
    }

    /** {@return whether another thread goes on} */
    private boolean handOver() {
      try {
        Thread next = newThread(NAME, Beat.of(this, wait));
        synchronized (lock) {
          next.start();
          thread = next;
        }
        return true;
      } catch (RuntimeException | Error e) {
        return false; // for lack of memory or threads: the next round tries it again
      }
    }

    /** One round; false if no other is needed. */
    @Override
    public boolean getAsBoolean() {
      try {
        boolean goesOn = isNeeded();
        if (goesOn) {
          round();
          wait.set(watches.isEmpty() ? TEND_NANOS : LOOK_NANOS);
        } else if (management != null) {
          Runnable end = management.end();
          if (end != null) {
            inThread(end);
          }
        }
        return goesOn;
      } catch (RuntimeException | Error e) {
        // There is no memory even to note what has failed: the next round tries it all again.
        return true;
      } finally {
        boolean ignored = Thread.interrupted(); // an interrupt would make every wait end at once
      }
    }

    private void round() {
      boolean isTime = System.nanoTime() - tended >= TEND_NANOS;
      boolean all = lookAtPins();
      all &= !isTime || (tend() && show());
      if (isTime) {
        tended = System.nanoTime();
        long count = rounds; // changed by one thread at a time
        rounds = count + 1;
      }
      if (all) {
        lastFailure = null;
      }
      report();
    }
  }

  private boolean lookAtPins() {
    boolean all = true;
    for (Watch each : watches) {
      try {
        each.look();
      } catch (RuntimeException | Error e) {
        failed(e);
        all = false;
      }
    }
    return all;
  }

  private boolean tend() {
    try {
      maps.tend(ENTRIES);
      return true;
    } catch (RuntimeException | Error e) {
      failed(e);
      return false;
    }
  }

  private boolean show() {
    try {
      Management shown = management;
      if (shown == null) {
        shown = new Management(maps, watches);
        management = shown;
      }
      hand(shown.look());
      return true;
    } catch (RuntimeException | Error e) {
      failed(e);
      return false;
    }
  }

  /** Has the bean registered, unless that is under way: it may take long. */
  private void hand(@Nullable Runnable work) {
    if (work != null && registers.compareAndSet(false, true)) {
      boolean fails = true;
      try {
        inThread(new Registration(work, registers));
        fails = false;
      } finally {
        if (fails) {
          registers.set(false);
        }
      }
    }
  }

  private record Registration(Runnable work, AtomicBoolean isUnderWay) implements Runnable {
    @Override
    public void run() {
      try {
        work.run();
      } finally {
        isUnderWay.set(false);
      }
    }
  }

  /** Has a failure logged, unless it is the same as before. */
  private void failed(Throwable e) {
    try {
      String failure = e.toString();
      if (!Objects.equals(failure, lastFailure)) {
        inThread(new Failure(e));
        lastFailure = failure;
      }
    } catch (RuntimeException | Error again) {
      // Not said, for lack of memory or threads: the next round tries it again.
    }
  }

  private record Failure(Throwable cause) implements Runnable {
    @Override
    public void run() {
      boolean ignored =
          Log.warn("Pins and threads could not be looked after; trying again.", cause);
    }
  }

  /** Has others told what they have to know, each by a thread of its own, as it may take long. */
  private void report() {
    try {
      for (Watch each : watches) {
        if (each.hasNews()) {
          inThread(new News(each));
        }
      }
      for (OpenMap each : maps.all()) {
        if (each.hasUnlogged()) {
          inThread(new MapLog(each));
        }
      }
    } catch (RuntimeException | Error e) {
      failed(e); // and the next round tries it again
    }
  }

  private record News(Watch watch) implements Runnable {
    @Override
    public void run() {
      watch.report();
    }
  }

  private record MapLog(OpenMap map) implements Runnable {
    @Override
    public void run() {
      map.log();
    }
  }

  private static void inThread(Runnable code) {
    newThread("tasklocal-reporter", code).start();
  }

  private boolean isNeeded() {
    synchronized (lock) {
      if (watches.isEmpty() && !maps.usesAny()) {
        thread = null;
        return false;
      }
      return true;
    }
  }
}
