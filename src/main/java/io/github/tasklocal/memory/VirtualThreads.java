// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.NativeAccess;
import io.github.tasklocal.kernel.StackSpace;
import io.github.tasklocal.kernel.Uninterrupted;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Values of virtual threads. They follow their thread from carrier to carrier ({@link
 * VirtualRecord}) where that was allowed; else they are plain memory of each thread, which BPF does
 * not see: a carrier's task shows the carrier's values.
 */
public final class VirtualThreads {

  /** A thread that is mounted on carriers; not one that is virtual by name and has its own task. */
  private static final @Nullable Class<?> MOUNTED = mounted();

  /** The property that declines what else would be done. */
  public static final String PROPERTY = "tasklocal.virtualThreads";

  private static final String PLAIN = "plain";

  private static final boolean IS_DECLINED = PLAIN.equals(System.getProperty(PROPERTY));

  private static final long RETRY_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** Enough for the first keys; grows as the thread uses later ones. */
  private static final int LEAST_BYTES = 64;

  /** Why the last thread that was counted is not seen. */
  private static volatile String why = "another copy of this library has met it";

  /** The maps and watches that are open. */
  private static final AtomicInteger OPEN = new AtomicInteger();

  private static final Object DECIDING = new Object();

  /**
   * Whether {@link Following} may be used. Not volatile, as each access reads it: who finds it
   * false takes the slow path, and who finds it true finds the class initialised, or waits for it.
   */
  private static boolean decided;

  /** Why values do not follow, for {@link Following}. */
  private static @Nullable String problem;

  /** How many attempts to decide it have failed for want of something. */
  private static volatile int failures;

  /** When the last of them has failed, and how; written before it is counted. */
  private static long failedNanos;

  private static @Nullable String failure;

  /** Whether values of any thread have followed it, with the classes loaded that this takes. */
  private static boolean followed;

  /**
   * Whether the last of them was closed: then records leave their threads, so that nothing of this
   * copy of the library is kept by a thread that lives on.
   */
  private static volatile boolean over;

  private VirtualThreads() {}

  private static @Nullable Class<?> mounted() {
    try {
      return Class.forName("java.lang.VirtualThread");
    } catch (ClassNotFoundException e) {
      return null; // renamed: then isVirtual() has to do
    }
  }

  /**
   * {@return whether a thread is mounted on carriers, and has no kernel task of its own} Where the
   * virtual machine has no continuations ({@code -XX:-VMContinuations}), virtual threads have one
   * each, and are as platform threads.
   */
  public static boolean isMounted(Thread thread) {
    return MOUNTED == null ? thread.isVirtual() : thread.getClass() == MOUNTED;
  }

  /**
   * Whether values follow: constants, for the hot path. To be used only when that is {@link
   * #decided}, as a class whose initialiser has failed can never be used again.
   */
  private static final class Following {
    static final @Nullable String PROBLEM = problem;
    static final boolean ON = PROBLEM == null;

    private Following() {}

    static void initialise() {}
  }

  /**
   * Decides whether values follow, at the first use of a key on a virtual thread. For want of
   * memory, or of a thread, it is tried again later; values are plain memory meanwhile.
   *
   * @return whether it is decided
   * @throws StackOverflowError if too little stack is left to begin
   */
  private static boolean decide() {
    int before = failures;
    if (before > 0 && System.nanoTime() - failedNanos < RETRY_NANOS) {
      return false;
    }
    StackSpace.require();
    if (before == 0) {
      FirstAttempt.make();
    } else {
      attempt(before);
    }
    return decided;
  }

  /**
   * In a class's initialiser, where a virtual thread waits on its carrier: no other one comes first
   * there because this one uses a key. It cannot fail.
   */
  private static final class FirstAttempt {
    static {
      attempt(0);
    }

    private FirstAttempt() {}

    static void make() {}
  }

  /** Decides it, unless another thread has tried since so many attempts had failed. */
  private static void attempt(int before) {
    synchronized (DECIDING) {
      if (decided || failures != before) {
        return;
      }
      try {
        problem = IS_DECLINED ? "it was declined by -D" + PROPERTY + "=" + PLAIN : findProblem();
        Following.initialise();
        decided = true;
      } catch (RuntimeException | Error e) {
        failedNanos = System.nanoTime();
        failure = e.getMessage(); // makes nothing, for which there may be no memory
        failures = before + 1;
      }
    }
  }

  /** Looks for it on a thread with a whole stack, of which a class's initialiser may take much. */
  private static @Nullable String findProblem() {
    Probe probe = new Probe();
    // A thread mounts others only if it is a platform thread, and not mounting one by now.
    Thread thread =
        Thread.ofPlatform()
            .daemon()
            .name("tasklocal-start")
            .inheritInheritableThreadLocals(false)
            .unstarted(probe);
    thread.setContextClassLoader(null);
    thread.start();
    Uninterrupted.join(thread);
    if (probe.failure != null) {
      throw probe.failure;
    }
    return probe.problem;
  }

  private static final class Probe implements Runnable {
    private @Nullable String problem = "it has not been tried";
    private @Nullable Error failure;

    @Override
    public void run() {
      try {
        problem = JdkNames.ofJdk().problem;
        String unlike = problem == null ? JdkVirtualThread.probe() : null;
        if (unlike != null) {
          problem = "this JDK is not as it was tested (" + unlike + ")";
        }
      } catch (Error e) {
        failure = e;
      }
    }
  }

  /** {@return what of this JDK is not as it was tested, whether following is allowed or not} */
  public static @Nullable String unfit() {
    StackSpace.require();
    return JdkNames.ofJdk().unfit;
  }

  /** A map or a watch is open from now on. */
  public static void opened() {
    int ignored = OPEN.incrementAndGet();
    over = false;
  }

  /** One is open no more. */
  public static void closed() {
    if (OPEN.decrementAndGet() == 0) {
      over = true;
      if (OPEN.get() > 0) {
        over = false; // another was opened meanwhile
      }
    }
  }

  /** {@return whether nobody looks at values any more, so that records leave their threads} */
  static boolean isOver() {
    return over;
  }

  /** {@return whether values follow, where their thread can be unmounted} */
  public static boolean follow() {
    return (decided || decide()) && Following.ON;
  }

  /**
   * Has a thread's values follow it from its first step on, if anybody may look at them. It has not
   * been started.
   */
  public static void follow(Thread virtual) {
    if (isMounted(virtual) && !over && NativeAccess.allowed() && follow()) {
      JdkVirtualThread.setTask(virtual, new VirtualRecord(virtual, null));
    }
  }

  /**
   * {@return where the values of the calling thread begin} There is room for the key. The address
   * is right until the thread blocks, or uses a key that it has not used before.
   *
   * @param current the calling thread, which {@link #isMounted}
   * @param key which is going to be used
   * @throws OutOfMemoryError if the system gives no memory; the next call tries again
   */
  public static long address(Thread current, Key key) {
    return decided && Following.ON && JdkVirtualThread.task(current) instanceof VirtualRecord record
        ? record.address(current, key)
        : otherAddress(current, key);
  }

  /**
   * {@return whether the calling thread may have used a key; if not, its value is zero} Changes
   * nothing, and asks for no memory.
   *
   * @param current the calling thread, which {@link #isMounted}
   */
  public static boolean hasUsed(Thread current, Key key) {
    if (decided && Following.ON && JdkVirtualThread.task(current) instanceof VirtualRecord record) {
      return record.hasUsed(key);
    }
    SharedData data = ThreadPages.DATA;
    MemorySegment values = data.anyPlain() ? data.virtualValues.get() : null;
    return values != null && values.byteSize() >= key.offset() + key.size();
  }

  private static long otherAddress(Thread current, Key key) {
    if (over || !follow() || !isJdks(JdkVirtualThread.task(current))) {
      return plainAddress(key);
    }
    StackSpace.require(followed);
    // What is there stays, for other copies that use the thread.
    SharedData data = ThreadPages.DATA;
    VirtualRecord record =
        new VirtualRecord(current, data.anyPlain() ? data.virtualValues.get() : null);
    JdkVirtualThread.setTask(current, record);
    long address = record.address(current, key);
    followed = true;
    return address;
  }

  /**
   * {@return whether a thread runs as the JDK made it} What else it may submit is another copy's of
   * the library, in whatever package, or foreign: two that wrap each other's would go on for ever.
   */
  @SuppressWarnings("ReferenceEquality")
  private static boolean isJdks(Object task) {
    return task.getClass().getModule() == Object.class.getModule();
  }

  private static long plainAddress(Key key) {
    ThreadLocal<MemorySegment> local = ThreadPages.DATA.virtualValues;
    MemorySegment values = local.get();
    int end = key.offset() + key.size();
    return values == null || values.byteSize() < end ? grown(local, values, end) : values.address();
  }

  private static long grown(
      ThreadLocal<MemorySegment> local, @Nullable MemorySegment before, int end) {
    long bytes = before == null ? LEAST_BYTES : before.byteSize();
    while (bytes < end) {
      bytes *= 2;
    }
    // Freed when the thread's table of thread locals is unreachable, and so the thread.
    MemorySegment values = Arena.ofAuto().allocate(bytes, DataPage.ALIGNMENT);
    if (before != null) {
      MemorySegment ignored = values.copyFrom(before);
    }
    ThreadPages.DATA.plain();
    local.set(values);
    if (before == null && (!over || ThreadPages.DATA.anyMap())) {
      unseen(whyPlain());
    }
    return values.address();
  }

  private static String whyPlain() {
    if (failures > 0 && !decided) {
      return "it could not be found out whether values can follow virtual threads ("
          + failure
          + "), which is tried again";
    }
    if (over || !decided) {
      return "the maps of its copy of the library are closed, and another copy of this library has"
          + " one open";
    }
    return Following.ON
        ? "another copy of this library has its own there, or something else does"
        : "values do not follow virtual threads, since " + Following.PROBLEM;
  }

  /** Counts the calling thread as one whose values BPF does not see, and says so once. */
  static void unseen(String because) {
    why = because;
    long ignored = ThreadPages.DATA.unseen.incrementAndGet();
    say();
  }

  /**
   * {@return how many virtual threads have used a key that BPF does not see, ended ones too}
   * Without those that are pinned from before their first use of a key to their end: nothing runs
   * at that.
   */
  public static long unseen() {
    return ThreadPages.DATA.unseen.get();
  }

  /** {@return why the last of them is not seen; null if there is none} */
  static @Nullable String unseenReason() {
    return unseen() == 0 ? null : why;
  }

  /**
   * Says once in the process, when a map is open, that BPF does not see everything. Under no lock.
   */
  static void say() {
    if (unseen() > 0
        && !IS_DECLINED
        && ThreadPages.REGISTRY.maps().all().length > 0
        && ThreadPages.DATA.firstToSay()) {
      boolean ignored =
          Log.warn(
              "A virtual thread has used a key, and BPF programs do not see the value: "
                  + why
                  + ". The state of the map counts such threads; -D"
                  + PROPERTY
                  + "="
                  + PLAIN
                  + " accepts it without this message.",
              null);
    }
  }
}
