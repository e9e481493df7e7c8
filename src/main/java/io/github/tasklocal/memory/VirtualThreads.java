// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.StackSpace;
import io.github.tasklocal.kernel.Uninterrupted;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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

  /** Enough for the first keys; grows as the thread uses later ones. */
  private static final int LEAST_BYTES = 64;

  /** Why the last thread that was counted is not seen. */
  private static volatile String why = "another copy of this library has met it";

  /** The maps and watches that are open. */
  private static final AtomicInteger OPEN = new AtomicInteger();

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

  /** Whether values follow, decided at the first use of a key on a virtual thread. */
  private static final class Following {
    static final @Nullable String PROBLEM = problem();
    static final boolean ON = PROBLEM == null;

    private static @Nullable String problem() {
      if (IS_DECLINED) {
        return "it was declined by -D" + PROPERTY + "=" + PLAIN;
      }
      if (JdkVirtualThread.PROBLEM != null) {
        return JdkVirtualThread.PROBLEM;
      }
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
      return probe.problem == null
          ? null
          : "this JDK is not as it was tested (" + probe.problem + ")";
    }
  }

  /** Uses nothing of {@link Following}, which waits for it. */
  private static final class Probe implements Runnable {
    private @Nullable String problem = "it has not been tried";

    @Override
    public void run() {
      problem = JdkVirtualThread.probe();
    }
  }

  /** {@return what of this JDK is not as it was tested, whether following is allowed or not} */
  public static @Nullable String unfit() {
    return JdkVirtualThread.UNFIT;
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
    return Following.ON;
  }

  /** Has a thread's values follow it from its first step on. It has not been started. */
  public static void follow(Thread virtual) {
    if (isMounted(virtual) && Following.ON) {
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
    return Following.ON && JdkVirtualThread.task(current) instanceof VirtualRecord record
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
    if (Following.ON && JdkVirtualThread.task(current) instanceof VirtualRecord record) {
      return record.hasUsed(key);
    }
    SharedData data = ThreadPages.DATA;
    MemorySegment values = data.anyPlain() ? data.virtualValues.get() : null;
    return values != null && values.byteSize() >= key.offset() + key.size();
  }

  private static long otherAddress(Thread current, Key key) {
    if (over || !Following.ON || isOtherCopys(JdkVirtualThread.task(current))) {
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

  /** {@return whether another copy of the library has it follow already} */
  private static boolean isOtherCopys(Object task) {
    return task.getClass().getName().equals(VirtualRecord.class.getName());
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
    if (before == null && !over) {
      unseen(
          Following.ON
              ? "another copy of this library has its own there"
              : "values do not follow virtual threads, since " + Following.PROBLEM);
    }
    return values.address();
  }

  /** Counts the calling thread as one whose values BPF does not see, and says so once. */
  static void unseen(String because) {
    why = because;
    long ignored = ThreadPages.DATA.unseen.incrementAndGet();
    say();
  }

  /** {@return how many virtual threads have used a key that BPF does not see, ended ones too} */
  public static long unseen() {
    return ThreadPages.DATA.unseen.get();
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
