// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A virtual thread whose values follow it. It takes the place of the task that the thread submits
 * to its scheduler: each mount goes through {@link #run}, which brings the thread's values to the
 * carrier's page, and takes them back.
 *
 * <p>Only words of keys that the thread has used are exchanged. While it is not mounted they lie in
 * {@link #words}, and the carrier's page has the carrier's own.
 */
final class VirtualRecord implements Runnable {

  private static final VarHandle WORD = JAVA_LONG.varHandle();
  private static final VarHandle LOCK;

  private static final short[] NO_OFFSETS = {};
  private static final long[] NO_WORDS = {};

  /** How often a lock is looked at before the processor is left to others. */
  private static final int SPINS = 200;

  static {
    try {
      LOCK = MethodHandles.lookup().findVarHandle(VirtualRecord.class, "lock", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /** What a carrier shows; used by its thread alone, and by the thread that is mounted there. */
  static final class Carrier {
    final long address;
    private @Nullable VirtualRecord mounted;

    /** The carrier's own words, while others are shown. */
    private long[] own = NO_WORDS;

    Carrier(long address) {
      this.address = address;
    }
  }

  private final Thread thread;
  private final Runnable original;

  /** Where the values begin on {@link #on}: in its page, or {@link #memory}. */
  private long address;

  /**
   * The carrier's thread to which the address belongs; null outside of a mount by this task. A task
   * that was submitted before there was a record may mount the thread elsewhere, even while this
   * carrier has not left it yet: then the thread's own carrier is another, and it takes the slow
   * path.
   */
  private @Nullable Thread on;

  /** The keys that the thread has used, a bit for each. Of others nothing lies at the address. */
  private long used;

  /** Where the words of those keys lie in a page. */
  private short[] offsets = NO_OFFSETS;

  private long[] words = NO_WORDS;

  /** Under the lock: the carrier that shows the values. */
  private @Nullable Carrier at;

  /** 1 while a carrier claims the thread or leaves it. */
  @SuppressWarnings("UnusedVariable") // through LOCK
  private int lock;

  /**
   * Where the values are while the thread is mounted without this task, and cannot be remounted.
   */
  private @Nullable MemorySegment memory;

  /**
   * Makes the record of a thread, which does not take effect yet.
   *
   * @param values what the thread has in plain memory, or null
   */
  VirtualRecord(Thread thread, @Nullable MemorySegment values) {
    this.thread = thread;
    this.original = (Runnable) JdkVirtualThread.task(thread);
    if (values != null) {
      for (Key each : ThreadPages.DIRECTORY.keys()) {
        if (each.offset() + each.size() <= values.byteSize()) {
          addFrom(values, each);
        }
      }
    }
  }

  /** A value of zero is as one that was never used. */
  private void addFrom(MemorySegment values, Key key) {
    int first = offsets.length;
    long any = 0;
    long[] found = new long[(key.size() + Long.BYTES - 1) / Long.BYTES];
    for (int i = 0; i < found.length; i++) {
      found[i] = (long) WORD.getOpaque(values, key.offset() + (long) i * Long.BYTES);
      any |= found[i];
    }
    if (any != 0) {
      add(key);
      System.arraycopy(found, 0, words, first, found.length);
    }
  }

  /**
   * {@return where the calling thread's values begin} It is right until the thread blocks.
   *
   * @param current the calling thread, whose record this is
   * @param key which is going to be used
   */
  long address(Thread current, Key key) {
    return isHere(current) && (used & 1L << key.index()) != 0 ? address : slowAddress(key);
  }

  /** {@return whether the address is that of the carrier on which the calling thread is} */
  private boolean isHere(Thread current) {
    return JdkVirtualThread.isOn(current, on);
  }

  private long slowAddress(Key key) {
    if (!isHere(thread) && !(JdkVirtualThread.remount(thread) && isHere(thread))) {
      showNowhere();
    }
    if ((used & 1L << key.index()) == 0) {
      add(key);
    }
    return address;
  }

  /** The thread cannot be unmounted now: until it is, BPF sees the carrier's values. */
  private void showNowhere() {
    MemorySegment fresh = Arena.ofAuto().allocate(ThreadPages.DATA.slotBytes(), DataPage.ALIGNMENT);
    awaitLeft();
    for (int i = 0; i < offsets.length; i++) {
      set(fresh.address() + offsets[i], words[i]);
    }
    memory = fresh;
    address = fresh.address();
    on = JdkVirtualThread.carrier(thread);
  }

  /** Waits until the values are in {@link #words}: the carrier before this one leaves soon. */
  private void awaitLeft() {
    lock();
    while (at != null) {
      unlock();
      Thread.onSpinWait(); // no yield, which might mount the thread by this task
      lock();
    }
    unlock();
  }

  /** The thread's first use of a key, whose value begins at zero. Nothing here blocks. */
  private void add(Key key) {
    int before = offsets.length;
    int more = (key.size() + Long.BYTES - 1) / Long.BYTES;
    short[] moreOffsets = Arrays.copyOf(offsets, before + more);
    for (int i = 0; i < more; i++) {
      moreOffsets[before + i] = (short) (key.offset() + i * Long.BYTES);
    }
    long[] moreWords = Arrays.copyOf(words, before + more);
    Carrier carrier = at;
    if (carrier != null) {
      carrier.own = enough(carrier.own, before + more);
      for (int i = before; i < moreOffsets.length; i++) {
        carrier.own[i] = exchange(carrier.address + moreOffsets[i], 0);
      }
    }
    offsets = moreOffsets;
    words = moreWords;
    used |= 1L << key.index();
  }

  private static long[] enough(long[] array, int length) {
    return array.length >= length ? array : Arrays.copyOf(array, length + Long.BYTES);
  }

  /** What a scheduler runs: mounts the thread, until it blocks or ends. */
  @Override
  public void run() {
    Carrier carrier = null;
    boolean dropped;
    try {
      Carrier here = carrier();
      carrier = isRetired() ? null : here;
      dropped = VirtualThreads.isOver() ? !retire() : carrier != null && !claim(carrier);
    } catch (RuntimeException | Error e) {
      dropped = false; // no memory: the thread runs on, where BPF does not see its values
    }
    if (dropped) {
      return;
    }
    try {
      original.run();
    } finally {
      if (carrier != null) {
        leave(carrier);
      }
    }
  }

  /**
   * {@return the calling thread as a carrier that shows its own values, or null if it is none}
   *
   * @throws OutOfMemoryError if the system gives no memory for its page
   */
  private static @Nullable Carrier carrier() {
    Carrier carrier = ThreadPages.carrier();
    VirtualRecord there = carrier == null ? null : carrier.mounted;
    if (carrier != null && there != null) {
      there.leave(carrier); // a scheduler that runs tasks where they are submitted
    }
    return carrier;
  }

  /** {@return whether this task has left the thread, and was submitted before} */
  @SuppressWarnings("ReferenceEquality")
  private boolean isRetired() {
    return JdkVirtualThread.task(thread) != this;
  }

  /**
   * Leaves the thread, whose values are plain memory from now on.
   *
   * @return false if the thread is not to be run
   */
  private boolean retire() {
    MemorySegment values = Arena.ofAuto().allocate(ThreadPages.DATA.slotBytes(), Long.BYTES);
    if (!acquire()) {
      return false;
    }
    try {
      if (isRetired()) {
        return true;
      }
      for (int i = 0; i < offsets.length; i++) {
        set(values.address() + offsets[i], memory == null ? words[i] : word(memory, i));
      }
      JdkVirtualThread.setLocal(ThreadPages.DATA.virtualValues, thread, values);
      JdkVirtualThread.setTask(thread, original);
    } finally {
      unlock();
    }
    return true;
  }

  private long word(MemorySegment from, int i) {
    return (long) WORD.getOpaque(from, (long) offsets[i]);
  }

  /**
   * Takes the lock of a thread that no carrier shows any more.
   *
   * @return false, and without the lock, if the thread is not to be run: the JDK submits it twice
   *     at times, such as for a stack trace, and then drops one
   */
  private boolean acquire() {
    for (int spins = 1; ; spins++) {
      lock();
      if (!JdkVirtualThread.isRunnable(thread)) {
        unlock();
        return false;
      }
      if (at == null) {
        return true;
      }
      unlock(); // another carrier has just run it, and has not left it yet, or is about to run it
      pause(spins);
    }
  }

  /**
   * Takes the thread for a carrier, which shows its values from now on.
   *
   * @return false if the thread is not to be run
   */
  private boolean claim(Carrier carrier) {
    if (!acquire()) {
      return false;
    }
    try {
      carrier.own = enough(carrier.own, offsets.length);
      show(carrier);
    } finally {
      unlock();
    }
    return true;
  }

  private void show(Carrier carrier) {
    MemorySegment from = memory;
    if (from != null) {
      for (int i = 0; i < offsets.length; i++) {
        words[i] = word(from, i);
      }
      memory = null;
    }
    for (int i = 0; i < offsets.length; i++) {
      carrier.own[i] = exchange(carrier.address + offsets[i], words[i]);
    }
    carrier.mounted = this;
    at = carrier;
    address = carrier.address;
    on = Thread.currentThread();
  }

  /** Takes the values back, if the carrier shows them; it shows its own from now on. */
  private void leave(Carrier carrier) {
    if (carrier.mounted != this) {
      return;
    }
    carrier.mounted = null;
    lock();
    for (int i = 0; i < offsets.length; i++) {
      words[i] = exchange(carrier.address + offsets[i], carrier.own[i]);
    }
    on = null;
    at = null;
    unlock();
  }

  private void lock() {
    for (int spins = 1; !LOCK.weakCompareAndSetAcquire(this, 0, 1); spins++) {
      pause(spins);
    }
  }

  private void unlock() {
    LOCK.setRelease(this, 0);
  }

  @SuppressWarnings("ThreadPriorityCheck") // who has the lock does little, and may be preempted
  private static void pause(int spins) {
    if (spins > SPINS) {
      Thread.yield();
    } else {
      Thread.onSpinWait();
    }
  }

  /** In one step, so that what a BPF program stores meanwhile is not lost. */
  private static long exchange(long address, long value) {
    return (long) WORD.getAndSet(Memory.ALL, Memory.at(address, Long.BYTES), value);
  }

  private static void set(long address, long value) {
    WORD.setOpaque(Memory.ALL, Memory.at(address, Long.BYTES), value);
  }
}
