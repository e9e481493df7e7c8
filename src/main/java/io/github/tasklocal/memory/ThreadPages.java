// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.KernelException;
import io.github.tasklocal.NotSupportedException;
import io.github.tasklocal.VirtualThreadException;
import io.github.tasklocal.Wire;
import io.github.tasklocal.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.KeyDirectory;
import java.lang.foreign.MemorySegment;
import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * The process's threads that have a page, and the maps that are open.
 *
 * <p>A thread gets its page at its first use of a key, under the one lock that opening and closing
 * maps take too, so that each live thread is registered with each open map exactly once.
 *
 * <p>A page is taken back when its thread has ended and nothing holds it ({@link ThreadPage}) any
 * more. Both are learnt from the garbage collector, by whoever makes a page next. If the kernel
 * knows the page, its frame is dropped first: what BPF still holds of the ended thread is then an
 * orphan.
 */
public final class ThreadPages {

  /** All pages of the process that are shared with the kernel. */
  private static final Pages PAGES = new Pages();

  /** The keys of the process. */
  public static final KeyDirectory DIRECTORY = new KeyDirectory(PAGES.take(), PAGES.take());

  private static final Object LOCK = new Object();

  /** By {@link Thread#threadId}, which is never given twice. */
  private static final Map<Long, Slot> SLOTS = new HashMap<>();

  /** Changed under the lock alone. */
  private static final List<OpenMap> MAPS = new CopyOnWriteArrayList<>();

  /** Keeps the references below reachable until they are enqueued. */
  private static final Set<PhantomReference<?>> ENDINGS = new HashSet<>();

  private static final ReferenceQueue<Object> ENDED = new ReferenceQueue<>();

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

  /** Enqueued when a hold on a slot's page, or the slot's thread, is unreachable. */
  private static final class Ending extends PhantomReference<Object> {
    final Slot slot;

    Ending(Object watched, Slot slot) {
      super(watched, ENDED);
      this.slot = slot;
      ENDINGS.add(this);
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
      takeBackEnded();
      // A pool may clear its thread's ThreadLocals between tasks (the common pool does): the page
      // and its registrations are still there.
      Slot slot = SLOTS.get(thread.threadId());
      if (slot == null) {
        slot = new Slot(PAGES.take(), thread, tid);
        DataPage.prepare(slot.page);
        SLOTS.put(slot.threadId, slot);
        for (OpenMap map : MAPS) {
          map.register(slot, thread);
        }
      }
      page = new ThreadPage(slot.page.address());
      slot.holds++;
      Ending ignored = new Ending(page, slot);
    }
    MAPS.forEach(OpenMap::log);
    return page;
  }

  private static void takeBackEnded() {
    for (var reference = ENDED.poll(); reference != null; reference = ENDED.poll()) {
      ENDINGS.remove(reference);
      Slot slot = ((Ending) reference).slot;
      slot.holds--;
      if (slot.holds > 0) {
        continue;
      }
      Thread thread = slot.liveThread();
      if (thread != null) {
        slot.holds++;
        Ending ignored = new Ending(thread, slot);
        continue;
      }
      SLOTS.remove(slot.threadId);
      MAPS.forEach(map -> map.forget(slot));
      takeBack(slot);
    }
  }

  private static void takeBack(Slot slot) {
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
   * @return the open map; the one that is open already if the process has this map open
   * @throws WrongObjectException if the map's values hold no pointers to user memory
   * @throws NotSupportedException if the kernel is too old for such pointers
   */
  public static OpenMap open(KernelMap map, Wire wire) {
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
      takeBackEnded();
      for (Slot slot : SLOTS.values()) {
        Thread thread = slot.liveThread();
        if (thread != null) {
          open.register(slot, thread);
        }
      }
      MAPS.add(open);
    }
    open.log();
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
    map.log();
  }
}
