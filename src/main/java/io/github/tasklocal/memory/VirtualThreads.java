// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Values of virtual threads: plain memory of each, which BPF does not see. A virtual thread has no
 * kernel task of its own; a carrier's task shows the carrier's values.
 */
public final class VirtualThreads {

  /** A thread that is mounted on carriers; not one that is virtual by name and has its own task. */
  private static final @Nullable Class<?> MOUNTED = mounted();

  /** Enough for the first keys; grows as the thread uses later ones. */
  private static final int LEAST_BYTES = 64;

  private static final AtomicBoolean SAID = new AtomicBoolean();

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
   * {@return where the values of the calling thread begin} There is room for the key. The address
   * is right until the thread uses a key that it has not used before.
   *
   * @param key which is going to be used
   * @throws OutOfMemoryError if the system gives no memory; the next call tries again
   */
  static long address(Key key) {
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
    local.set(values);
    if (before == null) {
      long ignored = ThreadPages.DATA.unseen.incrementAndGet();
      say();
    }
    return values.address();
  }

  /** {@return how many virtual threads have used a key that BPF does not see, ended ones too} */
  public static long unseen() {
    return ThreadPages.DATA.unseen.get();
  }

  /** Says once, when a map is open, that BPF does not see everything. Under no lock. */
  static void say() {
    if (unseen() > 0
        && ThreadPages.REGISTRY.maps().all().length > 0
        && SAID.compareAndSet(false, true)) {
      boolean ignored =
          Log.warn(
              "A virtual thread has used a key. The values of virtual threads are plain memory of"
                  + " each thread: BPF programs see what the carrier thread itself has set. Counted"
                  + " in the state of the map.",
              null);
    }
  }
}
