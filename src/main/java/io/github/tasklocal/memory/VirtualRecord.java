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

  /** Never written to once they are here; threads that race for an element may miss each other. */
  private static final short[] @Nullable [] SHARED = new short[64][];

  /** Where in a page the word is that is 0 while others are exchanged; none if negative. */
  private static volatile int guardOffset = -1;

  /** How often a lock is looked at before the processor is left to others. */
  private static final int SPINS = 200;

  static {
    try {
      LOCK = MethodHandles.lookup().findVarHandle(VirtualRecord.class, "lock", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
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

  /** Where the words of those keys lie in a page; {@link #shared} with other threads. */
  private short[] offsets = NO_OFFSETS;

  private long[] words = NO_WORDS;

  /** Which of the words is the guard, or -1 if the thread has not used its key. */
  private short guard = -1;

  /** The carrier that shows the values, which has the lock. */
  private @Nullable Carrier at;

  /** 1 from when a carrier claims the thread until it has left it. */
  @SuppressWarnings("UnusedVariable") // through LOCK
  private int lock;

  /** Where the values are while the thread is mounted where they cannot be shown. */
  private @Nullable MemorySegment memory;

  /** Whether the thread is counted as one whose values BPF does not see. */
  private boolean isUnseen;

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

  /**
   * Has a word be 0 while words of a thread that has used its key come and go.
   *
   * @param offset in a page, of a key that no virtual thread has used
   */
  static void guard(int offset) {
    guardOffset = offset;
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

  /** {@return whether the thread has used a key} */
  boolean hasUsed(Key key) {
    return (used & 1L << key.index()) != 0;
  }

  /** {@return whether the address is that of the carrier on which the calling thread is} */
  private boolean isHere(Thread current) {
    return JdkVirtualThread.isOn(current, on);
  }

  private long slowAddress(Key key) {
    if (!isHere(thread)) {
      boolean remounted = JdkVirtualThread.remount(thread);
      if (!isHere(thread) && !isRetired() && remounted && !isUnseen) {
        isUnseen = true;
        // May block, so that the thread is elsewhere after it.
        VirtualThreads.unseen(
            "its values are not shown on the thread that carries it, whose own value something else"
                + " can reach (bind, NativeThread), or which has no memory for a page");
      }
      if (!isHere(thread) && !isRetired()) {
        showNowhere();
      }
      if (isRetired()) {
        return VirtualThreads.address(thread, key); // at one of these mounts, with all its values
      }
    }
    if ((used & 1L << key.index()) == 0) {
      add(key);
    }
    return address;
  }

  /**
   * The thread cannot be shown now: until its next mount, BPF sees the carrier's values. May block;
   * then it is shown if it goes on where it can be.
   */
  private void showNowhere() {
    MemorySegment here = memory;
    if (here == null) {
      here = Arena.ofAuto().allocate(ThreadPages.DATA.slotBytes(), DataPage.ALIGNMENT);
      if (isHere(thread)) {
        return; // it has waited for the cleaner's monitor, and gone on where it is shown
      }
      awaitLeft();
      for (int i = 0; i < offsets.length; i++) {
        set(here.address() + offsets[i], words[i]);
      }
      memory = here;
    }
    address = here.address();
    on = JdkVirtualThread.carrier(thread);
  }

  /** Waits until the values are in {@link #words}: the carrier before this one leaves soon. */
  private void awaitLeft() {
    while (!LOCK.weakCompareAndSetAcquire(this, 0, 1)) {
      Thread.onSpinWait(); // no yield, which might mount the thread by this task
    }
    release();
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
    int inKey = guardOffset - key.offset();
    short guardNow =
        inKey >= 0 && inKey < key.size() ? (short) (before + inKey / Long.BYTES) : guard;
    Carrier carrier = at;
    if (carrier != null) {
      carrier.hide(moreOffsets, before, guardNow);
    }
    offsets = shared(moreOffsets);
    words = moreWords;
    guard = guardNow;
    used |= 1L << key.index();
  }

  /** {@return the same, one array for most threads that have used the same keys in that order} */
  private static short[] shared(short[] offsets) {
    int slot = Arrays.hashCode(offsets) & (SHARED.length - 1);
    short[] known = SHARED[slot];
    if (known != null && Arrays.equals(known, offsets)) {
      return known;
    }
    VarHandle.storeStoreFence();
    SHARED[slot] = offsets;
    return offsets;
  }

  /** What a scheduler runs: mounts the thread, until it blocks or ends. */
  @Override
  public void run() {
    Carrier carrier = null;
    try {
      carrier = carrier();
    } catch (RuntimeException | Error e) {
      // No memory or stack: the thread runs on, where BPF does not see its values.
    }
    if (!claim(carrier)) {
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
    VirtualRecord there = carrier == null ? null : carrier.mounted();
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
   * Leaves the thread, whose values are plain memory from now on; beside those that it has there
   * already, of keys that another copy of the library has used. Under the lock.
   *
   * @return false if there is no memory for that, or a late task has begun to run the thread
   */
  private boolean retire() {
    short[] known = offsets;
    MemorySegment room;
    try { // before it is kept from running, as this may have to wait for a collection
      room = known.length == 0 ? null : Arena.ofAuto().allocate(end(known), Long.BYTES);
    } catch (RuntimeException | Error e) {
      return false; // the next mount tries again
    }
    int state = JdkVirtualThread.hold(thread);
    if (state == 0) {
      return false;
    }
    try {
      if (offsets.length != known.length) {
        return false; // a late task has run the thread meanwhile
      }
      if (room != null) {
        moveTo(room);
      }
      JdkVirtualThread.setTask(thread, original);
      return true;
    } catch (RuntimeException | Error e) {
      return false;
    } finally {
      JdkVirtualThread.letGo(thread, state);
    }
  }

  /** {@return where the last word ends} */
  private static int end(short[] offsets) {
    int end = 0;
    for (short each : offsets) {
      end = Math.max(end, each + Long.BYTES);
    }
    return end;
  }

  /**
   * Moves the values to plain memory: where the thread has some already, if they fit there, and
   * else to what is new, with all that it has.
   */
  private void moveTo(MemorySegment room) {
    SharedData data = ThreadPages.DATA;
    MemorySegment others =
        data.anyPlain() ? JdkVirtualThread.local(data.virtualValues, thread) : null;
    MemorySegment values = room;
    if (others != null && others.byteSize() >= room.byteSize()) {
      values = others;
    } else if (others != null) {
      values = room.copyFrom(others);
    }
    for (int i = 0; i < offsets.length; i++) {
      set(values.address() + offsets[i], memory == null ? words[i] : word(memory, i));
    }
    data.plain();
    JdkVirtualThread.setLocal(data.virtualValues, thread, values);
  }

  private long word(MemorySegment from, int i) {
    return (long) WORD.getOpaque(from, (long) offsets[i]);
  }

  /**
   * Takes the lock, once no carrier shows the thread any more.
   *
   * @return false, and without the lock, if the thread is not to be run: the JDK submits it twice
   *     at times, such as for a stack trace, and then drops one
   */
  private boolean acquire() {
    // Another carrier may have just run it, and not have left it yet, or be about to run it.
    for (int spins = 1; !LOCK.weakCompareAndSetAcquire(this, 0, 1); spins++) {
      if (!JdkVirtualThread.isRunnable(thread)) {
        return false;
      }
      pause(spins);
    }
    if (JdkVirtualThread.isRunnable(thread)) {
      return true;
    }
    release();
    return false;
  }

  /** What the next carrier sees then is in litmus/record.litmus. */
  private void release() {
    LOCK.setRelease(this, 0);
  }

  /**
   * Takes the thread for a carrier, which shows its values from now on; or, if that is null, waits
   * until none shows them.
   *
   * @return false if the thread is not to be run
   */
  private boolean claim(@Nullable Carrier carrier) {
    if (!acquire()) {
      return false;
    }
    boolean isPlain = isRetired() || (VirtualThreads.isOver() && retire());
    if (!isPlain && carrier != null) {
      show(carrier);
    } else {
      release();
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
    carrier.mount(this, offsets, guard, words);
    at = carrier;
    address = carrier.address;
    on = Thread.currentThread();
  }

  /** Takes the values back, if the carrier shows them; it shows its own from now on. */
  private void leave(Carrier carrier) {
    if (carrier.mounted() != this) {
      return;
    }
    carrier.unmount(offsets, guard, words);
    on = null;
    at = null;
    release();
  }

  @SuppressWarnings("ThreadPriorityCheck") // who has the lock does little, and may be preempted
  private static void pause(int spins) {
    if (spins > SPINS) {
      Thread.yield();
    } else {
      Thread.onSpinWait();
    }
  }

  private static void set(long address, long value) {
    WORD.setOpaque(Memory.ALL, Memory.at(address, Long.BYTES), value);
  }
}
