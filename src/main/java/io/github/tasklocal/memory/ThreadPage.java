// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.layout.Key;
import io.github.tasklocal.layout.KeyDirectory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;

/**
 * A hold on a thread's page: as long as it is reachable, from its thread or from anything bound to
 * it, the page serves no other thread.
 */
@SuppressWarnings("restricted")
public final class ThreadPage {

  private static final VarHandle ADDRESS;

  static {
    try {
      ADDRESS = MethodHandles.lookup().findVarHandle(ThreadPage.class, "address", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final WeakReference<@Nullable MemorySegment[]> NONE = new WeakReference<>(null);

  /** Where the page begins. */
  public final long start;

  /** The same, or 0 if the thread has to leave the page. */
  @SuppressWarnings("UnusedVariable") // through ADDRESS
  private long address;

  /** Of the thread in Java, or 0. */
  final long threadId;

  final ThreadRecord record;

  /** The next in its {@link ThreadLists list}. */
  @Nullable ThreadPage next;

  /** What the thread shows as a carrier of virtual threads; used by the thread alone. */
  VirtualRecord.@Nullable Carrier carrier;

  /** Set under the registry's lock, but may be read without it. */
  boolean escaped;

  /**
   * Slices of the page by the keys' indexes, each made at its first use by the page's thread. Weak,
   * since they hold that thread, and the registry holds this page for a while after its end.
   */
  private WeakReference<@Nullable MemorySegment[]> slices = NONE;

  ThreadPage(ThreadRecord record, long threadId) {
    this.start = record.page.address();
    this.address = start;
    this.threadId = threadId;
    this.record = record;
  }

  /**
   * {@return where the page begins; 0 if its thread has to ask for another} Read anew each time:
   * the registry may take the address away at any time.
   */
  public long address() {
    return (long) ADDRESS.getOpaque(this);
  }

  /** Makes the thread ask for another page at its next access. Under the registry's lock. */
  void takeAway() {
    ADDRESS.setOpaque(this, 0L);
  }

  /** The thread stays where it is after all. Under the registry's lock, by the thread itself. */
  void restore() {
    ADDRESS.setOpaque(this, start);
  }

  /** {@return this hold, which from now on may be reachable after the thread's end} */
  public ThreadPage escaping() {
    if (!escaped) {
      record.registry.holds.escape(this);
    }
    return this;
  }

  /** Ends what {@link Holds#borrow} began. */
  public void giveBack() {
    record.registry.holds.giveBack(this);
  }

  /** {@return a key's bytes, confined to the calling thread, whose page this is} */
  public MemorySegment slice(Key key) {
    var all = slices.get();
    MemorySegment slice = all == null ? null : all[key.index()];
    return slice == null ? newSlice(key, all) : slice;
  }

  @SuppressWarnings("MustBeClosedChecker") // never freed: the arena only confines the slice
  private MemorySegment newSlice(Key key, @Nullable MemorySegment @Nullable [] known) {
    var all = known;
    if (all == null) {
      all = new MemorySegment[KeyDirectory.MAX_KEYS];
      slices = new WeakReference<>(all);
    }
    MemorySegment slice =
        MemorySegment.ofAddress(start + key.offset())
            .reinterpret(key.size(), Arena.ofConfined(), null);
    record.place.slice();
    all[key.index()] = slice;
    return slice;
  }

  /** {@return a slice of the page for every thread, which holds the page while it is reachable} */
  public MemorySegment sharedSlice(Key key) {
    MemorySegment slice =
        MemorySegment.ofAddress(start + key.offset()).reinterpret(key.size(), Arena.ofAuto(), null);
    record.registry.holds.keep(
        slice.scope(), record.place); // no cleanup: that would keep our classes
    return slice;
  }
}
