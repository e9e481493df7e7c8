// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.invoke.MethodHandle;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * Everything of the JDK's {@code java.lang.VirtualThread} on which following depends: fields,
 * states and methods, all by name ({@link JdkNames}). Whoever has to follow a new JDK begins here.
 *
 * <p>It takes the JDK's own {@code jdk.internal.misc.Unsafe}, which has to be exported to this
 * module: that is the consent. What was found in the sources of JDK 25 (VirtualThread.java):
 *
 * <ul>
 *   <li>{@code runContinuation} is what the thread submits to its scheduler, read anew each time;
 *       it mounts the thread, runs it, and unmounts it.
 *   <li>It does nothing unless {@code state} is STARTED, UNPARKED, YIELDED or UNBLOCKED, which it
 *       changes to RUNNING. A state that is not among those of {@link JdkNames} is refused there.
 *   <li>A thread that yields as BLOCKING, with {@code blockPermit} set, is submitted again at once,
 *       as lazily as can be: {@link #remount}. The permit belongs to those who wait for a monitor,
 *       and nobody else sets it for a thread that runs.
 *   <li>{@code cont.tail} is the {@code StackChunk} with the stack of a thread that has blocked;
 *       null before the first time (jdk/internal/vm/Continuation.java, and
 *       continuationFreezeThaw.cpp, which takes a stack of less than 500 words off it at once).
 *   <li>{@code scheduler} is what it is submitted to: an {@link Executor}, which the thread itself
 *       may exchange while it runs; {@code carrierThread} is where it is mounted, set before it
 *       runs and cleared after.
 *   <li>{@code ThreadLocal.get(Thread)} and {@code set(Thread, Object)} reach the value of a thread
 *       that is not the calling one (ThreadLocal.java, where the JDK asks for its carriers'): here
 *       for the plain memory of a virtual thread that is not mounted.
 *   <li>{@code ThreadBuilders.newVirtualThread} makes one on a scheduler (ThreadBuilders.java).
 *   <li>{@code MethodHandles.Lookup.IMPL_LOOKUP} finds methods that are not public, without JNI.
 *   <li>{@code Continuation.pin()} keeps the calling thread on its carrier until {@code unpin()},
 *       as often as it was called (jdk/internal/vm/Continuation.java).
 *   <li>The task is also the monitor of a timed {@code Object.wait} ({@code timedWaitLock}), so it
 *       is changed only by the thread itself or between its mounts.
 * </ul>
 */
final class JdkVirtualThread {

  private static final MethodHandle GET_TASK;
  private static final MethodHandle SET_TASK;
  private static final MethodHandle GET_SCHEDULER;
  private static final MethodHandle SET_SCHEDULER;
  private static final MethodHandle GET_CARRIER;
  private static final MethodHandle GET_STATE;
  private static final MethodHandle SET_STATE;
  private static final MethodHandle COMPARE_STATE;
  private static final MethodHandle SET_BLOCK_PERMIT;
  private static final MethodHandle GET_CONTINUATION;
  private static final MethodHandle GET_CHUNK;
  private static final MethodHandle SET_CHUNK;
  private static final MethodHandle IS_EMPTY;
  private static final MethodHandle GET_LOCAL;
  private static final MethodHandle SET_LOCAL;
  private static final MethodHandle YIELD;
  private static final MethodHandle MAKE;
  private static final MethodHandle PIN;
  private static final MethodHandle UNPIN;

  private static final int STARTED;
  private static final int UNPARKED;
  private static final int YIELDED;
  private static final int UNBLOCKED;
  private static final int BLOCKING;
  private static final int RUNNING;

  static {
    JdkNames found = JdkNames.ofJdk(); // which was called before, and does not fail
    GET_TASK = found.getTask;
    SET_TASK = found.setTask;
    GET_SCHEDULER = found.getScheduler;
    SET_SCHEDULER = found.setScheduler;
    GET_CARRIER = found.getCarrier;
    GET_STATE = found.getState;
    SET_STATE = found.setState;
    COMPARE_STATE = found.compareState;
    SET_BLOCK_PERMIT = found.setBlockPermit;
    GET_CONTINUATION = found.getContinuation;
    GET_CHUNK = found.getChunk;
    SET_CHUNK = found.setChunk;
    IS_EMPTY = found.isEmpty;
    GET_LOCAL = found.getLocal;
    SET_LOCAL = found.setLocal;
    YIELD = found.yield;
    MAKE = found.make;
    PIN = found.pin;
    UNPIN = found.unpin;
    STARTED = found.started;
    UNPARKED = found.unparked;
    YIELDED = found.yielded;
    UNBLOCKED = found.unblocked;
    BLOCKING = found.blocking;
    RUNNING = found.running;
  }

  private JdkVirtualThread() {}

  /** {@return what a thread submits to its scheduler} */
  static Object task(Thread virtual) {
    try {
      return (Object) GET_TASK.invokeExact((Object) virtual);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Sets what a thread submits to its scheduler from now on; to be called on it, or before start.
   */
  static void setTask(Thread virtual, Runnable task) {
    try {
      SET_TASK.invokeExact((Object) virtual, (Object) task);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** {@return whether the JDK's own task would run the thread now, and not drop the attempt} */
  static boolean isRunnable(Thread virtual) {
    return isRunnable(state(virtual));
  }

  private static boolean isRunnable(int state) {
    return state == STARTED || state == UNPARKED || state == YIELDED || state == UNBLOCKED;
  }

  private static int state(Thread virtual) {
    try {
      return (int) GET_STATE.invokeExact((Object) virtual);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Keeps a thread that could be run from being run: it is as one that runs already, so the JDK
   * drops each attempt. Who calls this runs it after {@link #letGo}.
   *
   * @return the state that it has then again; 0 if it cannot be run
   */
  static int hold(Thread virtual) {
    int state = state(virtual);
    try {
      return isRunnable(state)
              && (boolean) COMPARE_STATE.invokeExact((Object) virtual, state, RUNNING)
          ? state
          : 0;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Ends what {@link #hold} began. */
  static void letGo(Thread virtual, int state) {
    try {
      SET_STATE.invokeExact((Object) virtual, state);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** {@return the thread on which the calling virtual thread is mounted} */
  static @Nullable Thread carrier(Thread virtual) {
    try {
      return (Thread) (Object) GET_CARRIER.invokeExact((Object) virtual);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** {@return whether the calling virtual thread is mounted on a thread} */
  @SuppressWarnings("ReferenceEquality")
  static boolean isOn(Thread virtual, @Nullable Thread carrier) {
    try {
      return (Object) GET_CARRIER.invokeExact((Object) virtual) == carrier;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Keeps the calling virtual thread on its carrier until {@link #unpin}; that can be nested. */
  static void pin() {
    try {
      PIN.invokeExact();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static void unpin() {
    try {
      UNPIN.invokeExact();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** {@return the value that a thread has of a thread local} The thread does not run meanwhile. */
  @SuppressWarnings("unchecked")
  static <T> @Nullable T local(ThreadLocal<T> local, Thread thread) {
    try {
      return (@Nullable T) (Object) GET_LOCAL.invokeExact((ThreadLocal) local, thread);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Sets the value that a thread has of a thread local. The thread does not run meanwhile. */
  static void setLocal(ThreadLocal<?> local, Thread thread, Object value) {
    try {
      SET_LOCAL.invokeExact((ThreadLocal) local, thread, value);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Unmounts the calling thread and mounts it again at once, by the task that it has now: before
   * anything else that waits for its carrier.
   *
   * @return false if it is pinned to its carrier, and was not unmounted
   */
  static boolean remount(Thread virtual) {
    try {
      return unmount(virtual);
    } catch (OutOfMemoryError e) {
      return false; // there is no memory for its stack
    }
  }

  private static boolean unmount(Thread virtual) {
    boolean done = false;
    try {
      Executor scheduler = (Executor) (Object) GET_SCHEDULER.invokeExact((Object) virtual);
      Inline inline = new Inline(carrier(virtual), scheduler);
      SET_SCHEDULER.invokeExact((Object) virtual, (Object) inline);
      SET_BLOCK_PERMIT.invokeExact((Object) virtual, true);
      SET_STATE.invokeExact((Object) virtual, BLOCKING);
      try {
        done = (boolean) YIELD.invokeExact((Object) virtual);
      } finally {
        if (!done) {
          SET_STATE.invokeExact((Object) virtual, RUNNING);
          SET_BLOCK_PERMIT.invokeExact((Object) virtual, false);
        }
        SET_SCHEDULER.invokeExact((Object) virtual, (Object) scheduler);
      }
      if (done) {
        dropEmptyChunk((Object) GET_CONTINUATION.invokeExact((Object) virtual));
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
    return done;
  }

  /**
   * Drops what has held the stack, which was deeper here than where the thread will wait: the JDK
   * would use it again as long as it is large enough. If it is empty, all of the stack is on the
   * carrier, as before the first time that the thread blocks, when there is none.
   */
  private static void dropEmptyChunk(Object continuation) throws Throwable {
    Object chunk = (Object) GET_CHUNK.invokeExact(continuation);
    if (chunk != null && (boolean) IS_EMPTY.invokeExact(chunk)) {
      SET_CHUNK.invokeExact(continuation, (Object) null);
    }
  }

  /**
   * Runs what the carrier itself submits, where it submits it: the thread has just yielded there,
   * and others wait in the carrier's queue. What other threads submit goes on to the scheduler.
   */
  private static final class Inline implements Executor {
    private final @Nullable Thread carrier;
    private final Executor scheduler;
    private boolean used;

    Inline(@Nullable Thread carrier, Executor scheduler) {
      this.carrier = carrier;
      this.scheduler = scheduler;
    }

    @Override
    @SuppressWarnings("ReferenceEquality")
    public void execute(Runnable task) {
      if (Thread.currentThread() == carrier && !used) {
        used = true;
        task.run();
      } else {
        scheduler.execute(task);
      }
    }
  }

  /**
   * Tries everything once, on a virtual thread of its own that is mounted on the calling thread.
   *
   * @return what did not work, or null
   * @throws OutOfMemoryError if there was no memory for it, which says nothing of the JDK
   * @throws StackOverflowError likewise
   */
  static @Nullable String probe() {
    Queue<Runnable> queue = new ArrayDeque<>();
    Probe probe = new Probe();
    try {
      Thread virtual =
          (Thread) MAKE.invokeExact((Executor) queue::add, "tasklocal-probe", 0, (Runnable) probe);
      probe.virtual = virtual;
      virtual.start();
      for (int i = 0; i < 10 && !queue.isEmpty(); i++) {
        queue.remove().run();
      }
      if (probe.failure != null) {
        throw probe.failure;
      }
      return virtual.isAlive() ? "the thread has not ended" : probe.problem;
    } catch (OutOfMemoryError | StackOverflowError e) {
      throw e;
    } catch (Throwable e) {
      return String.valueOf(e);
    }
  }

  private static final class Probe implements Runnable {
    private @Nullable Thread virtual;
    private @Nullable String problem = "it has not run";
    private @Nullable Throwable failure;
    private int mounts;

    @Override
    public void run() {
      try {
        problem = tried();
      } catch (Throwable e) {
        failure = e;
      }
    }

    private @Nullable String tried() {
      Thread self = Thread.currentThread();
      Runnable original = (Runnable) task(self);
      setTask(
          self,
          () -> {
            mounts++;
            if (isRunnable(self)) {
              original.run();
            }
          });
      boolean remounted = unmount(self);
      setTask(self, original);
      return self != virtual || Thread.currentThread() != self
          ? "another thread runs"
          : !remounted || mounts != 1
              ? "it was mounted " + mounts + " times"
              : isRunnable(self) ? "its state is not RUNNING" : null;
    }
  }

  private static AssertionError unexpected(Throwable e) {
    if (e instanceof Error error) {
      throw error;
    }
    return new AssertionError("the JDK's virtual threads cannot be reached", e);
  }
}
