// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.stress;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.github.tasklocal.NativeThread;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.kernel.Libc;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LLL_Result;
import org.openjdk.jcstress.infra.results.LL_Result;

/**
 * Threads start, use a key for the first time, and end. Their pages have served many others before
 * them.
 */
public final class ThreadLife {

  private static final TaskLocal.OfLong VALUE = TaskLocal.of("value", JAVA_LONG);

  private ThreadLife() {}

  /** Looks at the new thread's value, then leaves something there for the next one to find. */
  private static String use(long number) {
    long before = VALUE.get();
    VALUE.set(number);
    Thread.yield();
    long after = VALUE.get();
    return before != 0 ? "left over" : after != number ? "overwritten" : "its own";
  }

  /** Waits for a time that varies, so that now one thread is first and now the other. */
  private static void pause(int tid) {
    for (int i = tid % 8 * 100; i > 0; i--) {
      Thread.onSpinWait();
    }
  }

  private static NativeThread find(int tid) {
    for (NativeThread each : NativeThread.list()) {
      if (each.tid() == tid) {
        return each;
      }
    }
    throw new IllegalStateException("a live thread is not in the list");
  }

  @JCStressTest
  @Outcome(
      id = "its own, its own",
      expect = ACCEPTABLE,
      desc = "Each thread began with 0, and kept what it set.")
  @Outcome(
      expect = FORBIDDEN,
      desc = "A value of an ended thread was left, or two threads shared a page.")
  @State
  public static class TwoThreads {

    @Actor
    public void first(LL_Result seen) {
      Threads.run(() -> seen.r1 = use(1));
    }

    @Actor
    public void second(LL_Result seen) {
      Threads.run(() -> seen.r2 = use(2));
    }
  }

  @JCStressTest
  @Outcome(
      id = "1, 3, its own",
      expect = ACCEPTABLE,
      desc = "The value stayed, and took another, while it was bound.")
  @Outcome(
      expect = FORBIDDEN,
      desc = "The page was emptied or given to another thread while it was bound.")
  @State
  public static class BoundByItself {
    private TaskLocal.OfLong.Bound bound;

    @Actor
    public void holder(LLL_Result seen) {
      Threads.run(
          () -> {
            bound = VALUE.bind();
            bound.set(1);
          });
      seen.r1 = bound.get();
      bound.set(3);
    }

    @Actor
    public void other(LLL_Result seen) {
      Threads.run(() -> seen.r3 = use(2));
    }

    @Arbiter
    public void look(LLL_Result seen) {
      seen.r2 = bound.get();
    }
  }

  @JCStressTest
  @Outcome(
      id = "3, its own",
      expect = ACCEPTABLE,
      desc = "It was bound before the thread's end, and the page stayed.")
  @Outcome(
      id = "ended, its own",
      expect = ACCEPTABLE,
      desc = "The thread had ended, and the finder was refused.")
  @Outcome(
      expect = FORBIDDEN,
      desc = "The page was emptied or given to another thread while it was bound.")
  @State
  public static class BoundByAnother {
    private volatile int tid;
    private volatile boolean found;
    private TaskLocal.OfLong.Bound bound;

    @Actor
    public void threads(LL_Result seen) {
      Threads.run(
          () -> {
            VALUE.set(1);
            tid = Libc.currentTid();
            while (!found) {
              Thread.onSpinWait();
            }
          });
      Threads.run(() -> seen.r2 = use(2));
    }

    @Actor
    public void finder() {
      while (tid == 0) {
        Thread.onSpinWait();
      }
      NativeThread thread;
      try {
        thread = find(tid);
      } finally {
        found = true;
      }
      pause(tid);
      try {
        bound = VALUE.bind(thread);
        bound.set(3);
      } catch (NotFoundException e) {
        // ended, as the outcome will say
      }
    }

    @Arbiter
    public void look(LL_Result seen) {
      seen.r1 = bound == null ? "ended" : bound.get();
    }
  }

  @JCStressTest
  @Outcome(id = "0, 1", expect = ACCEPTABLE, desc = "It was set after the thread's own first use.")
  @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "It was set before, and waited for the thread.")
  @Outcome(expect = FORBIDDEN, desc = "It was set where the thread does not look.")
  @State
  public static class SetByAnother {
    private volatile int tid;
    private volatile boolean found;
    private volatile boolean set;

    @Actor
    public void thread(LL_Result seen) {
      Threads.run(
          () -> {
            tid = Libc.currentTid();
            while (!found) {
              Thread.onSpinWait();
            }
            seen.r1 = VALUE.get();
            while (!set) {
              Thread.onSpinWait();
            }
            seen.r2 = VALUE.get();
          });
    }

    @Actor
    public void other() {
      while (tid == 0) {
        Thread.onSpinWait();
      }
      try {
        NativeThread thread = find(tid);
        found = true;
        pause(tid);
        VALUE.set(thread, 1);
      } finally {
        found = true;
        set = true;
      }
    }
  }
}
