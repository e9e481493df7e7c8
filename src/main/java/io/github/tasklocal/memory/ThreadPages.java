// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.KernelException;
import io.github.tasklocal.NotFoundException;
import io.github.tasklocal.NotSupportedException;
import io.github.tasklocal.VirtualThreadException;
import io.github.tasklocal.Wire;
import io.github.tasklocal.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.KeyDirectory;
import java.lang.foreign.MemorySegment;
import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * The process's threads that have a page, and the maps that are open.
 *
 * <p>A thread gets its page at its first use of a key, under the one lock that opening and closing
 * maps take too, so that each live thread is registered with each open map exactly once. A thread
 * that Java does not know gets one when somebody sets a value for it.
 *
 * <p>A page is taken back when its thread has ended and nothing holds it ({@link ThreadPage}) any
 * more. The first is seen by whoever finds no free page, and by the {@link Keeper}; of holds that
 * have escaped from their thread the garbage collector tells. If the kernel knows the page, its
 * frame is dropped first: what BPF still holds of the ended thread is then an orphan.
 */
public final class ThreadPages {

  /** All pages of the process that are shared with the kernel. */
  private static final Pages PAGES = new Pages();

  /** The keys of the process. */
  public static final KeyDirectory DIRECTORY = new KeyDirectory(PAGES.take(), PAGES.take());

  private static final Object LOCK = new Object();

  private static final Set<Slot> SLOTS = new LinkedHashSet<>();

  /** The threads that Java knows, by {@link Thread#threadId}, which is never given twice. */
  private static final Map<Long, Slot> BY_THREAD = new HashMap<>();

  /** The latest of each kernel task. */
  private static final Map<Integer, Slot> BY_TID = new HashMap<>();

  /** Changed under the lock alone. */
  private static final List<OpenMap> MAPS = new CopyOnWriteArrayList<>();

  /** Keeps the references below reachable until they are enqueued. */
  private static final Set<Ending> ENDINGS = new HashSet<>();

  private static final ReferenceQueue<ThreadPage> UNREACHABLE = new ReferenceQueue<>();

  /** How many threads there have to be before it is worth looking for ended ones again. */
  private static int lookAt;

  static final ThreadLocal<ThreadPage> CURRENT =
      new ThreadLocal<>() {
        @Override
        protected ThreadPage initialValue() {
          return first(Thread.currentThread());
        }
      };

  private ThreadPages() {}

  /**
   * {@return the calling thread's page, made at the first call}
   *
   * @throws VirtualThreadException on a virtual thread
   */
  public static ThreadPage current() {
    return CURRENT.get();
  }

  /** Enqueued when a hold that has escaped from its thread is unreachable. */
  private static final class Ending extends PhantomReference<ThreadPage> {
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
      // A pool may clear its thread's ThreadLocals between tasks (the common pool does): the page
      // and its registrations are still there.
      Slot slot = BY_THREAD.get(thread.threadId());
      if (slot == null) {
        Slot known = BY_TID.get(tid);
        if (known != null && known.keep != null && known.task.isNow(tid)) {
          slot = known; // somebody set a value for it before it did so itself
          slot.task = Task.of(tid, thread);
          slot.keep = null;
        } else {
          slot = register(Task.of(tid, thread));
        }
        slot.threadId = thread.threadId();
        BY_THREAD.put(slot.threadId, slot);
      }
      page = slot.hold();
    }
    MAPS.forEach(OpenMap::log);
    return page;
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
      if (slot == null) {
        requireAlive(task);
        slot = register(task);
        slot.keep = slot.hold();
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

  /** From now on, the end of the page's thread alone does not say that nobody uses the page. */
  static void escape(ThreadPage page) {
    synchronized (LOCK) {
      if (!page.escaped) {
        page.escaped = true;
        page.slot.escapedHolds++;
        ENDINGS.add(new Ending(page, page.slot));
      }
    }
  }

  /**
   * {@return the thread of a kernel task in Java, if it has used a key and has not ended}
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
    Slot slot = BY_TID.get(task.tid());
    if (slot == null) {
      return null;
    }
    if (slot.keep != null) {
      return slot.task.same(task) && task.isAlive() ? slot : null;
    }
    // The tid is the thread's as long as that lives: look at the thread last.
    return task.isAlive() && slot.task.isAlive() ? slot : null;
  }

  private static Slot register(Task task) {
    if (!PAGES.haveFree() && SLOTS.size() >= lookAt) {
      takeBackUnreachable();
      takeBackEnded();
      lookAt = SLOTS.size() + SLOTS.size() / 4;
    }
    Slot slot = new Slot(PAGES.take(), task);
    DataPage.prepare(slot.page);
    SLOTS.add(slot);
    BY_TID.put(task.tid(), slot);
    for (OpenMap map : MAPS) {
      map.register(slot);
    }
    return slot;
  }

  /** Takes back the pages of ended threads of which the last escaped hold is gone. */
  private static void takeBackUnreachable() {
    for (var ending = UNREACHABLE.poll(); ending != null; ending = UNREACHABLE.poll()) {
      Slot slot = ((Ending) ending).slot;
      ENDINGS.remove(ending);
      slot.escapedHolds--;
      takeBackIfUnused(slot);
    }
  }

  /** Takes the entries of ended threads out, and takes their pages back if nothing holds them. */
  private static void takeBackEnded() {
    for (Slot slot : List.copyOf(SLOTS)) {
      if (!slot.task.isAlive()) {
        slot.ended = true;
        slot.keep = null;
        forget(slot);
        takeBackIfUnused(slot);
      }
    }
  }

  private static void forget(Slot slot) {
    SLOTS.remove(slot);
    BY_THREAD.remove(slot.threadId, slot);
    BY_TID.remove(slot.task.tid(), slot);
    MAPS.forEach(map -> map.forget(slot));
  }

  private static void takeBackIfUnused(Slot slot) {
    if (!slot.ended || slot.escapedHolds > 0) {
      return;
    }
    if (slot.shared) {
      if (!Libc.dropFrame(slot.page.address(), DataPage.SIZE)) {
        return; // a page whose old frame stays may never serve another thread
      }
    } else {
      MemorySegment ignored = slot.page.fill((byte) 0);
    }
    PAGES.giveBack(slot.page);
  }

  /**
   * Opens a map for all threads: those that have a page, and those to come.
   *
   * @param map ours from here on, also if this fails
   * @param wire how the map's values look
   * @param takeOver whether entries that somebody else made are replaced
   * @return the open map; the one that is open already if the process has this map open
   * @throws WrongObjectException if the map's values hold no pointers to user memory
   * @throws NotSupportedException if the kernel is too old for such pointers
   */
  public static OpenMap open(KernelMap map, Wire wire, boolean takeOver) {
    OpenMap open;
    synchronized (LOCK) {
      for (OpenMap each : MAPS) {
        if (each.id() == map.id()) {
          map.close();
          each.users++;
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
    open.log();
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
    map.log();
  }

  /** Says whether to replace entries of a map that somebody else made; now, and from now on. */
  public static void takeOver(OpenMap map, boolean takeOver) {
    synchronized (LOCK) {
      map.takeOver(takeOver);
    }
    map.log();
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
    return PAGES.count() - 2; // the pages of keys
  }

  /** {@return whether a map is open} */
  static boolean haveMaps() {
    return !MAPS.isEmpty();
  }

  /**
   * Forgets the threads that have ended, tries again what failed, and looks after some entries of
   * each map.
   *
   * @param entries how many of a map's
   */
  static void tend(int entries) {
    synchronized (LOCK) {
      takeBackUnreachable();
      takeBackEnded();
      for (OpenMap map : MAPS) {
        map.audit(entries);
        map.retry();
      }
    }
    MAPS.forEach(OpenMap::log);
  }
}
