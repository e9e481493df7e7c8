// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * Everything of the JDK's {@code java.lang.VirtualThread} on which following depends: fields,
 * states and a method, all by name. Whoever has to follow a new JDK begins here.
 *
 * <p>It takes the JDK's own {@code jdk.internal.misc.Unsafe}, which has to be exported to this
 * module: that is the consent. What was found in the sources of JDK 25 (VirtualThread.java):
 *
 * <ul>
 *   <li>{@code runContinuation} is what the thread submits to its scheduler, read anew each time;
 *       it mounts the thread, runs it, and unmounts it.
 *   <li>It does nothing unless {@code state} is STARTED, UNPARKED, YIELDED or UNBLOCKED, which it
 *       changes to RUNNING.
 *   <li>A thread that yields as BLOCKING, with {@code blockPermit} set, is submitted again at once,
 *       as lazily as can be: {@link #remount}. The permit belongs to those who wait for a monitor,
 *       and nobody else sets it for a thread that runs.
 * </ul>
 */
final class JdkVirtualThread {

  private static final String NAME = "java.lang.VirtualThread";

  /** Why nothing here can be used, or null. */
  static final @Nullable String PROBLEM;

  private static final MethodHandle GET_TASK;
  private static final MethodHandle SET_TASK;
  private static final MethodHandle GET_SCHEDULER;
  private static final MethodHandle SET_SCHEDULER;
  private static final MethodHandle GET_CARRIER;
  private static final MethodHandle GET_STATE;
  private static final MethodHandle SET_STATE;
  private static final MethodHandle SET_BLOCK_PERMIT;
  private static final MethodHandle SET_LOCAL;
  private static final MethodHandle YIELD;
  private static final MethodHandle MAKE;

  private static final int STARTED;
  private static final int UNPARKED;
  private static final int YIELDED;
  private static final int UNBLOCKED;
  private static final int BLOCKING;
  private static final int RUNNING;

  static {
    Found found = new Found();
    String problem = null;
    try {
      found.find();
    } catch (IllegalAccessException e) {
      problem = "the JDK's package jdk.internal.misc is not exported to it; " + cure();
    } catch (Throwable e) {
      problem = "this JDK is not as it was tested (" + e + ")";
    }
    PROBLEM = problem;
    GET_TASK = found.getTask;
    SET_TASK = found.setTask;
    GET_SCHEDULER = found.getScheduler;
    SET_SCHEDULER = found.setScheduler;
    GET_CARRIER = found.getCarrier;
    GET_STATE = found.getState;
    SET_STATE = found.setState;
    SET_BLOCK_PERMIT = found.setBlockPermit;
    SET_LOCAL = found.setLocal;
    YIELD = found.yield;
    MAKE = found.make;
    STARTED = found.started;
    UNPARKED = found.unparked;
    YIELDED = found.yielded;
    UNBLOCKED = found.unblocked;
    BLOCKING = found.blocking;
    RUNNING = found.running;
  }

  private JdkVirtualThread() {}

  private static String cure() {
    Module own = JdkVirtualThread.class.getModule();
    String flag =
        "start Java with --add-exports java.base/jdk.internal.misc="
            + (own.isNamed() ? own.getName() : "ALL-UNNAMED");
    Module classPath = ClassLoader.getSystemClassLoader().getUnnamedModule();
    if (Object.class.getModule().isExported("jdk.internal.misc", classPath)) {
      return flag; // the agent or a manifest has exported it, but not to this copy of the library
    }
    return flag
        + " or -javaagent:tasklocal.jar"
        + (own.isNamed()
            ? ""
            : ", or have Add-Exports: java.base/jdk.internal.misc in the executable jar's manifest");
  }

  /** What is looked for, in an object since each can fail. */
  private static final class Found {
    private static final MethodHandle NONE = MethodHandles.zero(Object.class);

    MethodHandle getTask = NONE;
    MethodHandle setTask = NONE;
    MethodHandle getScheduler = NONE;
    MethodHandle setScheduler = NONE;
    MethodHandle getCarrier = NONE;
    MethodHandle getState = NONE;
    MethodHandle setState = NONE;
    MethodHandle setBlockPermit = NONE;
    MethodHandle setLocal = NONE;
    MethodHandle yield = NONE;
    MethodHandle make = NONE;
    int started;
    int unparked;
    int yielded;
    int unblocked;
    int blocking;
    int running;

    private final MethodHandles.Lookup lookup = MethodHandles.lookup();

    void find() throws Throwable {
      Class<?> type = Class.forName(NAME);
      Class<?> unsafeType = Class.forName("jdk.internal.misc.Unsafe");
      Object unsafe =
          lookup.findStatic(unsafeType, "getUnsafe", MethodType.methodType(unsafeType)).invoke();
      getTask = getter(unsafe, type, "runContinuation", Runnable.class, "getReference");
      setTask = setter(unsafe, type, "runContinuation", Runnable.class, "putReferenceRelease");
      getScheduler = getter(unsafe, type, "scheduler", Executor.class, "getReference");
      setScheduler = setter(unsafe, type, "scheduler", Executor.class, "putReferenceVolatile");
      getCarrier = getter(unsafe, type, "carrierThread", Thread.class, "getReference");
      getState = getter(unsafe, type, "state", int.class, "getIntVolatile");
      setState = setter(unsafe, type, "state", int.class, "putIntVolatile");
      setBlockPermit = setter(unsafe, type, "blockPermit", boolean.class, "putBooleanVolatile");
      started = constant(unsafe, type, "STARTED");
      unparked = constant(unsafe, type, "UNPARKED");
      yielded = constant(unsafe, type, "YIELDED");
      unblocked = constant(unsafe, type, "UNBLOCKED");
      blocking = constant(unsafe, type, "BLOCKING");
      running = constant(unsafe, type, "RUNNING");
      Field field = MethodHandles.Lookup.class.getDeclaredField("IMPL_LOOKUP");
      MethodHandles.Lookup all =
          (MethodHandles.Lookup) staticValue(unsafe, field, "getReference", Object.class);
      yield =
          all.findVirtual(type, "yieldContinuation", MethodType.methodType(boolean.class))
              .asType(MethodType.methodType(boolean.class, Object.class));
      setLocal =
          all.findVirtual(
              ThreadLocal.class,
              "set",
              MethodType.methodType(void.class, Thread.class, Object.class));
      make =
          all.findStatic(
              Class.forName("java.lang.ThreadBuilders"),
              "newVirtualThread",
              MethodType.methodType(
                  Thread.class, Executor.class, String.class, int.class, Runnable.class));
    }

    private long offset(Object unsafe, Class<?> type, String name, Class<?> of) throws Throwable {
      Class<?> found = type.getDeclaredField(name).getType();
      if (found != of) {
        throw new NoSuchFieldException(name + " is a " + found.getName());
      }
      return (long)
          lookup
              .findVirtual(
                  unsafe.getClass(),
                  "objectFieldOffset",
                  MethodType.methodType(long.class, Class.class, String.class))
              .invoke(unsafe, type, name);
    }

    private MethodHandle getter(
        Object unsafe, Class<?> type, String name, Class<?> of, String method) throws Throwable {
      Class<?> value = of.isPrimitive() ? of : Object.class;
      return MethodHandles.insertArguments(
          lookup
              .findVirtual(
                  unsafe.getClass(), method, MethodType.methodType(value, Object.class, long.class))
              .bindTo(unsafe),
          1,
          offset(unsafe, type, name, of));
    }

    private MethodHandle setter(
        Object unsafe, Class<?> type, String name, Class<?> of, String method) throws Throwable {
      Class<?> value = of.isPrimitive() ? of : Object.class;
      return MethodHandles.insertArguments(
          lookup
              .findVirtual(
                  unsafe.getClass(),
                  method,
                  MethodType.methodType(void.class, Object.class, long.class, value))
              .bindTo(unsafe),
          1,
          offset(unsafe, type, name, of));
    }

    private int constant(Object unsafe, Class<?> type, String name) throws Throwable {
      return (int) staticValue(unsafe, type.getDeclaredField(name), "getInt", int.class);
    }

    private Object staticValue(Object unsafe, Field field, String method, Class<?> value)
        throws Throwable {
      Class<?> type = unsafe.getClass();
      Object base =
          lookup
              .findVirtual(
                  type, "staticFieldBase", MethodType.methodType(Object.class, Field.class))
              .invoke(unsafe, field);
      long offset =
          (long)
              lookup
                  .findVirtual(
                      type, "staticFieldOffset", MethodType.methodType(long.class, Field.class))
                  .invoke(unsafe, field);
      return lookup
          .findVirtual(type, method, MethodType.methodType(value, Object.class, long.class))
          .invoke(unsafe, base, offset);
    }
  }

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
    int state;
    try {
      state = (int) GET_STATE.invokeExact((Object) virtual);
    } catch (Throwable e) {
      throw unexpected(e);
    }
    return state == STARTED || state == UNPARKED || state == YIELDED || state == UNBLOCKED;
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
    } catch (OutOfMemoryError e) {
      return done; // there is no memory for its stack
    } catch (Throwable e) {
      throw unexpected(e);
    }
    return done;
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
      return virtual.isAlive() ? "the thread has not ended" : probe.problem;
    } catch (Throwable e) {
      return String.valueOf(e);
    }
  }

  private static final class Probe implements Runnable {
    private @Nullable Thread virtual;
    private @Nullable String problem = "it has not run";
    private int mounts;

    @Override
    public void run() {
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
      boolean remounted = remount(self);
      problem =
          self != virtual || Thread.currentThread() != self
              ? "another thread runs"
              : !remounted || mounts != 1
                  ? "it was mounted " + mounts + " times"
                  : isRunnable(self) ? "its state is not RUNNING" : null;
      setTask(self, original);
    }
  }

  private static AssertionError unexpected(Throwable e) {
    if (e instanceof Error error) {
      throw error;
    }
    return new AssertionError("the JDK's virtual threads cannot be reached", e);
  }
}
