// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.VirtualThreadException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.NativeAccess;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The process's threads that have a page, and the maps that are open.
 *
 * <p>A thread gets its page at its first use of a key, under the one lock that opening and closing
 * maps take too, so that each live thread is registered with each open map exactly once. A thread
 * that Java does not know gets its page when another thread sets a value for it.
 *
 * <p>A page is taken back when its thread has ended and nothing holds it ({@link ThreadPage}) any
 * more. The {@link Keeper}, and any thread that finds no free page, look for ended threads; the
 * garbage collector finds unreachable holds that have escaped from their threads. If the kernel
 * knows the page, its frame is dropped first: what BPF still holds of it is then an orphan.
 */
public final class ThreadPages {

  /** How long others wait at most for a thread that has been started to reach {@link #begin}. */
  private static final long START_NANOS = TimeUnit.SECONDS.toNanos(1);

  /**
   * How long the part of a shared page waits before it serves another thread: far longer than the
   * kernel lets programs run that may not sleep. A program that sleeps may take longer, and one may
   * hold an ended task; {@link io.github.tasklocal.TaskLocal} says so.
   */
  private static final long GRACE_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** All pages of values of the process. */
  private static final Pages PAGES = new Pages(SlotSize.BYTES, GRACE_NANOS);

  /** The keys of the process. */
  public static final KeyDirectory DIRECTORY =
      new KeyDirectory(Pages.whole(), Pages.whole(), SlotSize.BYTES);

  private static final Object LOCK = new Object();

  private static final Set<Slot> SLOTS = new LinkedHashSet<>();

  /** The latest slot of each kernel task, by tid. */
  private static final Map<Integer, Slot> BY_TID = new HashMap<>();

  /** Changed only under the lock. */
  private static final List<OpenMap> MAPS = new CopyOnWriteArrayList<>();

  /** Keeps the references below reachable until they are enqueued. */
  private static final Set<Ending> ENDINGS = new HashSet<>();

  private static final ReferenceQueue<ThreadPage> UNREACHABLE = new ReferenceQueue<>();

  /**
   * How many threads that Java does not know are checked each time; each takes the read of a file.
   */
  private static final int NATIVES = 64;

  /** How many threads are between {@code start()} and {@link #begin}. */
  private static int starting;

  /** How many threads there have to be before it is worth looking for ended ones again. */
  private static int lookAt;

  /**
   * The pages of the threads that Java knows: lists by the last bits of {@link Thread#threadId},
   * changed under the lock, and read without it. A constant array costs fewer loads than one that
   * can grow; with 100,000 threads, a list has one or two.
   */
  private static final @Nullable ThreadPage[] BY_BITS = new ThreadPage[1 << 16];

  private static final VarHandle ELEMENT = MethodHandles.arrayElementVarHandle(ThreadPage[].class);

  private ThreadPages() {}

  /**
   * {@return the page of the calling thread, made at the first call}
   *
   * @param current the calling thread, and no other
   * @throws VirtualThreadException if that is a virtual thread
   */
  public static ThreadPage of(Thread current) {
    // The thread has put its page into the list, and nobody takes it out as long as it lives. So
    // it is found whatever other threads change there.
    ThreadPage page = find(current);
    return page == null ? first(current) : page;
  }

  private static @Nullable ThreadPage find(Thread thread) {
    long id = thread.threadId();
    for (ThreadPage page = BY_BITS[bits(id)]; page != null; page = page.next) {
      if (page.threadId == id) {
        return page;
      }
    }
    return null;
  }

  private static void add(ThreadPage page) {
    int i = bits(page.threadId);
    page.next = BY_BITS[i];
    ELEMENT.setRelease(BY_BITS, i, page);
  }

  /** A reader who is at the page that is taken out can still go on to those behind it. */
  private static void remove(long threadId) {
    int i = bits(threadId);
    ThreadPage before = null;
    for (ThreadPage page = BY_BITS[i]; page != null; before = page, page = page.next) {
      if (page.threadId == threadId) {
        if (before == null) {
          BY_BITS[i] = page.next;
        } else {
          before.next = page.next;
        }
        return;
      }
    }
  }

  private static int bits(long threadId) {
    return (int) threadId & (BY_BITS.length - 1);
  }

  /** Enqueued when a hold that has escaped from its thread becomes unreachable. */
  static final class Ending extends PhantomReference<ThreadPage> {
    final Slot slot;

    Ending(ThreadPage hold, Slot slot) {
      super(hold, UNREACHABLE);
      this.slot = slot;
    }
  }

  private static ThreadPage first(Thread thread) {
    if (thread.isVirtual()) {
      throw new VirtualThreadException(
          "a key was used on the virtual thread \""
              + thread.getName()
              + "\" ("
              + thread.threadId()
              + ")",
          "a virtual thread has no kernel task that BPF could look at; set the key on a platform"
              + " thread, such as one of an executor from Executors.newFixedThreadPool");
    }
    int tid = Libc.currentTid();
    ThreadPage page;
    synchronized (LOCK) {
      page = find(thread); // sees all here, under the lock
      if (page == null) {
        Slot slot = attached(tid, thread);
        if (slot == null) {
          slot = new Slot(take(), Task.of(tid, thread), thread.threadId());
          if (SlotSize.packed()) {
            slot.nativeTask = Task.ofKernel(tid);
          }
          register(slot);
        }
        page = slot.hold();
        add(page);
      }
    }
    MAPS.forEach(OpenMap::log);
    return page;
  }

  /**
   * {@return a page for a thread that has not been started} It is that thread's from {@link #begin}
   * on, and is in none of the lists. It is taken back if it becomes unreachable before.
   */
  public static ThreadPage reserve() {
    synchronized (LOCK) {
      Slot slot = new Slot(take(), Task.of(0, Thread.currentThread()), 0);
      slot.ended = true; // its hold alone keeps the page
      ThreadPage page = slot.hold();
      slot.unstarted = escape(slot, page);
      return page;
    }
  }

  /**
   * Announces that a thread is being started, so that nobody makes another page for it.
   *
   * @param page from {@link #reserve}
   */
  public static void starting(ThreadPage page) {
    synchronized (LOCK) {
      if (page.slot.unstarted != null && !page.slot.starting) {
        page.slot.starting = true;
        starting++;
      }
    }
  }

  /** Ends {@link #starting}: the thread could not be started, or has reached {@link #begin}. */
  public static void notStarting(ThreadPage page) {
    synchronized (LOCK) {
      notStarting(page.slot);
    }
  }

  private static void notStarting(Slot slot) {
    if (slot.starting) {
      slot.starting = false;
      starting--;
      LOCK.notifyAll();
    }
  }

  /** Waits until no thread is between its start and {@link #begin}, for a second at most. */
  private static void awaitStarting() {
    long end = System.nanoTime() + START_NANOS;
    boolean interrupted = false;
    while (starting > 0) {
      long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
      if (left <= 0) {
        break;
      }
      try {
        LOCK.wait(left);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Registers a thread that has got its page from {@link #reserve}. Further calls do nothing.
   *
   * @param page from {@link #reserve}
   * @param thread the calling thread
   */
  public static void begin(ThreadPage page, Thread thread) {
    if (!NativeAccess.allowed()) {
      return; // no key can be made then
    }
    int tid = Libc.currentTid();
    synchronized (LOCK) {
      Slot slot = page.slot;
      Ending unstarted = slot.unstarted;
      if (unstarted == null) {
        return;
      }
      notStarting(slot);
      slot.unstarted = null;
      unstarted.clear();
      ENDINGS.remove(unstarted);
      slot.escapedHolds--;
      slot.ended = false;
      Slot earlier = attached(tid, thread);
      // Another thread has set a value for the task meanwhile, and could not know of this page,
      // since this thread was not started by start().
      if (earlier != null) {
        slot.page.copyFrom(earlier.page);
        earlier.nativeTask = null;
        ended(earlier);
      }
      slot.task = Task.of(tid, thread);
      register(slot);
    }
    MAPS.forEach(OpenMap::log);
  }

  /**
   * {@return the page of a thread of this process, made if the thread has none} It serves no other
   * thread until {@link ThreadPage#giveBack}.
   *
   * @param task from {@link Task#all}
   * @throws NotFoundException if the thread has ended
   */
  public static ThreadPage borrow(Task task) {
    ThreadPage page;
    synchronized (LOCK) {
      Slot slot = find(task);
      if (slot == null && starting > 0) {
        awaitStarting(); // it may be one of these
        slot = find(task);
      }
      if (slot == null) {
        requireAlive(task);
        slot = new Slot(take(), task, 0);
        slot.keep = slot.hold();
        register(slot);
      }
      page = slot.hold();
      slot.escapedHolds++;
    }
    MAPS.forEach(OpenMap::log);
    return page;
  }

  /**
   * {@return the page of a thread of this process, or null if it has none} It serves no other
   * thread until {@link ThreadPage#giveBack}.
   *
   * @param task from {@link Task#all}
   * @throws NotFoundException if the thread has ended
   */
  public static @Nullable ThreadPage borrowIfAny(Task task) {
    synchronized (LOCK) {
      Slot slot = find(task);
      if (slot == null) {
        requireAlive(task);
        return null;
      }
      slot.escapedHolds++;
      return slot.hold();
    }
  }

  static void giveBack(ThreadPage page) {
    synchronized (LOCK) {
      page.slot.escapedHolds--;
      takeBackIfUnused(page.slot);
    }
  }

  private static void requireAlive(Task task) {
    if (!task.isAlive()) {
      throw new NotFoundException(
          "find",
          task.toString(),
          null,
          "the thread has ended",
          "list the threads again: NativeThread.list()");
    }
  }

  /** {@return the slot of a thread that Java did not know until now, or null if it has none} */
  private static @Nullable Slot attached(int tid, Thread thread) {
    Slot slot;
    try {
      slot = latest(tid);
      if (slot == null || slot.keep == null || !slot.task.isNow(tid)) {
        return null;
      }
    } catch (KernelException e) {
      return null; // not known: a page of its own is never wrong
    }
    slot.nativeTask = slot.task;
    slot.task = Task.of(tid, thread);
    slot.keep = null;
    slot.renewHold();
    slot.threadId = thread.threadId();
    return slot;
  }

  /** The Java side of such a thread has ended; its task lives on and keeps the values. */
  private static void detach(Slot slot, Task task) {
    remove(slot.threadId);
    slot.threadId = 0;
    slot.task = task;
    slot.nativeTask = null;
    slot.renewHold();
    slot.keep = slot.hold();
  }

  /** From now on the page may be in use after the end of its thread. */
  static void escape(ThreadPage page) {
    synchronized (LOCK) {
      if (!page.escaped) {
        page.escaped = true;
        escape(page.slot, page);
        takeBackUnreachable();
      }
    }
  }

  private static Ending escape(Slot slot, ThreadPage hold) {
    Ending ending = new Ending(hold, slot);
    ENDINGS.add(ending);
    slot.escapedHolds++;
    return ending;
  }

  /**
   * {@return the Java thread of a kernel task, if it has used a key and has not ended}
   *
   * @param task from {@link Task#all}
   */
  public static @Nullable Thread threadOf(Task task) {
    synchronized (LOCK) {
      Slot slot = find(task);
      return slot == null ? null : slot.task.liveThread();
    }
  }

  private static @Nullable Slot find(Task task) {
    Slot slot = latest(task.tid());
    if (slot == null || !task.isAlive()) {
      return null;
    }
    // A Java thread that lives still has its tid: check this last.
    boolean same = slot.keep == null ? slot.task.isAlive() : slot.task.same(task);
    return same ? slot : null;
  }

  /** {@return the slot of a kernel task, or of one that had its tid before} */
  private static @Nullable Slot latest(int tid) {
    Slot slot = BY_TID.get(tid);
    if (slot != null && slot.keep == null && !slot.task.isAlive()) {
      ended(slot); // it has ended in Java, and this is the first look since
    }
    return BY_TID.get(tid);
  }

  private static MemorySegment take() {
    if (!PAGES.haveFree()) {
      takeBackUnreachable();
      if (SLOTS.size() >= lookAt) {
        takeBackEnded();
      }
    }
    MemorySegment page = PAGES.take();
    DataPage.prepare(page);
    return page;
  }

  private static void register(Slot slot) {
    SLOTS.add(slot);
    BY_TID.put(slot.task.tid(), slot);
    for (OpenMap map : MAPS) {
      map.register(slot);
    }
  }

  /** Takes back the pages of ended threads whose last escaped hold is gone. */
  private static void takeBackUnreachable() {
    for (var ending = UNREACHABLE.poll(); ending != null; ending = UNREACHABLE.poll()) {
      Slot slot = ((Ending) ending).slot;
      ENDINGS.remove(ending);
      slot.escapedHolds--;
      takeBackIfUnused(slot);
    }
  }

  /**
   * Takes the entries of ended threads out, and takes their pages back if nothing holds them. Of
   * the threads that Java does not know, each call checks some, and all in rotation.
   */
  private static void takeBackEnded() {
    int natives = 0;
    boolean all = true;
    int before = SLOTS.size();
    for (Slot slot : List.copyOf(SLOTS)) {
      if (slot.keep != null) {
        if (natives == NATIVES) {
          all = false;
          continue;
        }
        natives++;
        SLOTS.remove(slot);
        SLOTS.add(slot);
      }
      try {
        if (!slot.task.isAlive()) {
          ended(slot);
        }
      } catch (KernelException e) {
        // Not known, for instance because no descriptor is left: the next look may tell.
      }
    }
    int left = SLOTS.size();
    // If some of the checked ones had ended, others may have too.
    lookAt = !all && left < before ? 0 : left + left / 4;
  }

  private static void ended(Slot slot) {
    Task task = slot.nativeTask;
    if (task != null && task.isAlive()) {
      detach(slot, task);
      return;
    }
    slot.ended = true;
    slot.keep = null;
    forget(slot);
    takeBackIfUnused(slot);
  }

  private static void forget(Slot slot) {
    SLOTS.remove(slot);
    remove(slot.threadId);
    BY_TID.remove(slot.task.tid(), slot);
    MAPS.forEach(map -> map.forget(slot));
  }

  /** An entry that an ended thread had left is gone: its part of a page may be free now. */
  static void takenOut(Slot slot) {
    if (SlotSize.packed()) {
      takeBackIfUnused(slot);
    }
  }

  private static void takeBackIfUnused(Slot slot) {
    if (!slot.ended || slot.escapedHolds > 0) {
      return;
    }
    if (slot.shared && SlotSize.packed()) {
      if (slot.left == 0) { // otherwise a program may still reach it through an entry
        PAGES.retire(slot.page);
      }
      return;
    }
    if (slot.shared) {
      if (!Libc.dropFrame(slot.page.address(), DataPage.SIZE)) {
        return; // the old frame is still there: the page must never serve another thread
      }
    } else {
      MemorySegment ignored = slot.page.fill((byte) 0);
    }
    PAGES.giveBack(slot.page);
  }

  /**
   * Opens a map for all threads that have a page or will have one. The caller then calls {@link
   * OpenMap#log}, under no lock; so do callers of {@link #close} and {@link #takeOver}.
   *
   * @param map the map, which is owned by this class from here on, even if this fails
   * @param wire the map's wire
   * @param takeOver whether entries that somebody else made are replaced
   * @return the open map; the one that is open already if the process has this map open
   * @throws WrongObjectException if the map's values hold no pointers to user memory
   * @throws NotSupportedException if the kernel is too old for such pointers, or if threads share
   *     pages and the wire is B
   */
  public static OpenMap open(KernelMap map, Wire wire, boolean takeOver) {
    if (wire == Wire.B && SlotSize.packed()) {
      String subject = map.toString();
      map.close();
      throw new NotSupportedException(
          "open",
          subject,
          null,
          "threads share pages (-D%s=%d), and its wire, B, has a page for each thread"
              .formatted(SlotSize.PROPERTY, SlotSize.BYTES),
          "start java without -D" + SlotSize.PROPERTY + ", or use a BPF program of wire A or C");
    }
    OpenMap open;
    synchronized (LOCK) {
      for (OpenMap each : MAPS) {
        if (each.id() == map.id()) {
          map.close();
          each.users++;
          if (takeOver) {
            each.takeOver(true);
          }
          return each;
        }
      }
      open = new OpenMap(map, wire, DIRECTORY.metadata(wire));
      try {
        open.requireUserPointers();
      } catch (KernelException e) {
        open.close();
        throw e;
      }
      open.takeOver(takeOver);
      takeBackEnded();
      SLOTS.forEach(open::register);
      MAPS.add(open);
    }
    Keeper.start();
    return open;
  }

  /** Takes every entry of this process out of a map and closes it, when its last user closes it. */
  public static void close(OpenMap map) {
    synchronized (LOCK) {
      if (--map.users == 0) {
        MAPS.remove(map);
        map.close();
      }
    }
    Keeper.wake();
  }

  /** Chooses whether to replace entries that somebody else made in a map, now and from now on. */
  public static void takeOver(OpenMap map, boolean takeOver) {
    synchronized (LOCK) {
      map.takeOver(takeOver);
    }
  }

  /** {@return how many live threads have an entry in a map} */
  public static int threads(OpenMap map) {
    synchronized (LOCK) {
      takeBackEnded();
      return map.threads();
    }
  }

  /**
   * {@return the live threads that should have an entry in a map and have none, with the reason}
   */
  public static Map<Task, KernelException> unregistered(OpenMap map) {
    synchronized (LOCK) {
      takeBackEnded();
      return map.unregistered();
    }
  }

  /** {@return how many pages of values were taken from the system, in use or free} */
  public static int pages() {
    return PAGES.count();
  }

  /** {@return whether a map is open} */
  static boolean haveMaps() {
    return !MAPS.isEmpty();
  }

  /**
   * Forgets the threads that have ended, tries failed registrations and removals again, and checks
   * some entries of each map.
   *
   * @param entries how many entries of each map to check at most
   */
  static void tend(int entries) {
    synchronized (LOCK) {
      takeBackUnreachable();
      takeBackEnded();
      for (OpenMap map : MAPS) {
        map.audit(entries);
        map.retry(entries);
      }
    }
    MAPS.forEach(OpenMap::log);
  }
}
