// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Task;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;

/**
 * A thread's page, as all copies of the library know it ({@link SharedData}): a view of an array of
 * the JDK's types. Under the registry's lock, but for {@link #carry}.
 */
@SuppressWarnings("unchecked")
final class Place {

  private static final VarHandle NUMBER_AT = MethodHandles.arrayElementVarHandle(long[].class);

  /** Indexes of the array. */
  private static final int NUMBERS = 0;

  private static final int THREAD = 1;
  private static final int NAME = 2;
  private static final int PREVIOUS = 3;
  private static final int NEXT = 4;
  private static final int SIZE = 5;

  /** Index of a number: from 1 on in the order in which places were listed, or 0. */
  private static final int NUMBER = 0;

  private static final int ADDRESS = 1;
  private static final int LIFE = 2;
  private static final int TID = 3;

  /** Of a kernel task that the page belongs to; 0 if it goes with a thread of Java's. */
  private static final int START_TIME = 4;

  private static final int HOLDS = 5;
  private static final int GIVEN = 6;
  private static final int UNFIT = 7;
  private static final int ENTRIES = 8;
  private static final int TRIED = 9;
  private static final int UNSURE = 10;

  /** Whether values of virtual threads are shown there at times. */
  private static final int CARRIES = 11;

  /** Whether its thread has had a segment of the page, which it may still use. */
  private static final int SLICED = 12;

  /** Whether its thread has said where the page is to who looks for it there. */
  private static final int TOLD = 13;

  private static final int COUNT = 14;

  /** Values of LIFE: no thread runs, one does, or the page has been given back. */
  private static final int OVER = 0;

  private static final int LIVE = 1;
  private static final int RELEASED = 2;

  private @Nullable Object[] data = {};
  private long[] n = {};

  /** Makes a view of nothing, for {@link #show}. */
  Place() {}

  /** Makes a view of a place of another copy. */
  Place(Object data) {
    show(data);
  }

  /** {@return the place of a page of which no thread has begun to run} */
  static Place of(MemorySegment page) {
    long[] numbers = new long[COUNT];
    numbers[ADDRESS] = page.address();
    @Nullable Object[] data = new Object[SIZE];
    data[NUMBERS] = numbers;
    return new Place(data);
  }

  /** Makes this a view of a place. */
  void show(Object other) {
    data = (Object[]) other;
    n = numbers(other);
  }

  /** {@return whether this is a view of a place} */
  @SuppressWarnings("ReferenceEquality")
  boolean is(Object other) {
    return data == other;
  }

  Object data() {
    return data;
  }

  private static long[] numbers(Object place) {
    return (long[]) ((Object[]) place)[NUMBERS];
  }

  static long number(Object place) {
    return numbers(place)[NUMBER];
  }

  long number() {
    return n[NUMBER];
  }

  static @Nullable Object previous(Object place) {
    return ((@Nullable Object[]) place)[PREVIOUS];
  }

  static void setNext(Object place, @Nullable Object next) {
    ((@Nullable Object[]) place)[NEXT] = next;
  }

  static void setPrevious(Object place, @Nullable Object previous) {
    ((@Nullable Object[]) place)[PREVIOUS] = previous;
  }

  @Nullable Object previous() {
    return data[PREVIOUS];
  }

  @Nullable Object next() {
    return data[NEXT];
  }

  void listed(long number, @Nullable Object previous) {
    n[NUMBER] = number;
    data[PREVIOUS] = previous;
  }

  void unlisted() {
    n[NUMBER] = 0;
    data[PREVIOUS] = null;
    data[NEXT] = null;
  }

  /** {@return where the page begins} */
  long address() {
    return n[ADDRESS];
  }

  /** A map is closed whose number the next one may have. */
  static void forgetMap(Object place, int map) {
    long[] numbers = numbers(place);
    numbers[ENTRIES] &= ~(1L << map);
    numbers[TRIED] &= ~(1L << map);
  }

  /** An entry that is in a map may be there. */
  static void doubtMap(Object place, int map) {
    long[] numbers = numbers(place);
    numbers[TRIED] |= numbers[ENTRIES] & 1L << map;
    numbers[ENTRIES] &= ~(1L << map);
  }

  static @Nullable Object next(Object place) {
    return ((@Nullable Object[]) place)[NEXT];
  }

  /** {@return whether any entry is or may be in the map with this number} */
  boolean mayHaveEntry(int map) {
    return hasEntry(map) || wasTried(map);
  }

  /** {@return the page, or the part of one} */
  MemorySegment page(int bytes) {
    return Memory.ALL.asSlice(n[ADDRESS], bytes);
  }

  /**
   * A thread runs from now on.
   *
   * @param task as the registry knows it
   * @param kernel the same as the kernel knows it, if the page belongs to that; or null
   */
  void begin(Task task, @Nullable Task kernel) {
    data[THREAD] = task.thread();
    data[NAME] = task.name();
    n[TID] = task.tid();
    n[START_TIME] = kernel == null ? 0 : kernel.startTime();
    n[LIFE] = LIVE;
  }

  /** The page belongs to the thread's kernel task from now on. */
  void keep(Task kernel) {
    n[START_TIME] = kernel.startTime();
  }

  /** A native thread has attached to the virtual machine, or detached if that is null. */
  void attach(@Nullable WeakReference<Thread> thread) {
    data[THREAD] = thread;
  }

  /** {@return the thread of Java's that uses it, if one is known and has not ended} */
  @Nullable Thread thread() {
    WeakReference<Thread> thread = (WeakReference<Thread>) data[THREAD];
    return thread == null ? null : thread.get();
  }

  /** Nobody can tell when the page's kernel task ends. */
  void makeUnsure() {
    n[UNSURE] = 1;
  }

  boolean isUnsure() {
    return n[UNSURE] != 0;
  }

  /** {@return whether the page belongs to a kernel task, whatever Java thread that is} */
  boolean isOfKernelTask() {
    return n[START_TIME] != 0;
  }

  /** {@return the thread; the kernel's task if the page belongs to that} */
  Task task() {
    WeakReference<Thread> thread = isOfKernelTask() ? null : (WeakReference<Thread>) data[THREAD];
    return Task.known((int) n[TID], thread, n[START_TIME], String.valueOf(data[NAME]));
  }

  /** The thread has ended. */
  void end() {
    n[LIFE] = OVER;
    data[THREAD] = null;
  }

  /** {@return whether no thread runs} */
  boolean isOver() {
    return n[LIFE] != LIVE;
  }

  /** {@return whether an ended thread's page is given back by this, as nothing holds it} */
  boolean release() {
    boolean released = n[LIFE] == OVER && n[HOLDS] == 0;
    if (released) {
      n[LIFE] = RELEASED;
    }
    return released;
  }

  /**
   * Keeps the page from serving another thread. A look at {@link #carries} comes after it, so that
   * of a hold and a {@link #carry} at the same time at least one sees the other
   * (litmus/claim.litmus).
   */
  void hold() {
    long ignored = (long) NUMBER_AT.getAndAdd(n, HOLDS, 1L);
  }

  void letGo() {
    long ignored = (long) NUMBER_AT.getAndAdd(n, HOLDS, -1L);
  }

  /**
   * Lets values of virtual threads be shown there from now on. To be called by the page's thread;
   * under no lock, since a mount must not wait for what others do under it.
   *
   * @return false if something holds the page, which would write where they lie
   */
  boolean carry() {
    if (carries()) {
      return true; // another copy of the library has asked
    }
    NUMBER_AT.setVolatile(n, CARRIES, 1L);
    boolean held = isHeld();
    if (held) {
      NUMBER_AT.setVolatile(n, CARRIES, 0L);
    }
    return !held;
  }

  /** {@return whether something other than its thread reaches the page} */
  boolean isHeld() {
    return (long) NUMBER_AT.getVolatile(n, HOLDS) != 0;
  }

  /** {@return whether they are, so that nothing may hold the page while its thread lives} */
  boolean carries() {
    return (long) NUMBER_AT.getVolatile(n, CARRIES) != 0;
  }

  /** The thread has a segment of the page from now on. To be called by that thread. */
  void slice() {
    NUMBER_AT.setVolatile(n, SLICED, 1L);
  }

  /** {@return whether the thread has ever had a segment of the page} */
  boolean isSliced() {
    return (long) NUMBER_AT.getVolatile(n, SLICED) != 0;
  }

  /** The thread says from now on where the page is to who looks for it in the task. */
  void tell() {
    n[TOLD] = 1;
  }

  /** {@return whether it does, so that it alone can move} */
  boolean isTold() {
    return n[TOLD] != 0;
  }

  /** The thread comes from another page, whose entries point there until they are replaced. */
  void comesFrom(Place before) {
    n[TRIED] = before.n[TRIED] | before.n[ENTRIES];
    n[GIVEN] = n[TRIED] == 0 ? n[GIVEN] : 1;
  }

  /** {@return whether the kernel was ever given this page} */
  boolean isGiven() {
    return n[GIVEN] != 0;
  }

  void give() {
    n[GIVEN] = 1;
  }

  /** {@return whether the page must not be given to the kernel, or to another thread} */
  boolean isUnfit() {
    return n[UNFIT] != 0;
  }

  void makeUnfit() {
    n[UNFIT] = 1;
  }

  /** {@return whether the thread has its entry in the map with this number} */
  boolean hasEntry(int map) {
    return (n[ENTRIES] & 1L << map) != 0;
  }

  /** Notes it, and returns whether this is a change. */
  boolean setEntry(int map, boolean is) {
    return set(ENTRIES, map, is);
  }

  /** {@return whether the kernel was asked for an entry, and may have set it} */
  boolean wasTried(int map) {
    return (n[TRIED] & 1L << map) != 0;
  }

  void tried(int map, boolean is) {
    boolean ignored = set(TRIED, map, is);
  }

  private boolean set(int number, int map, boolean is) {
    long bit = 1L << map;
    long before = n[number];
    n[number] = is ? before | bit : before & ~bit;
    return n[number] != before;
  }
}
