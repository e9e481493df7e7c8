// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.VirtualThreadException;
import io.github.tasklocal.kernel.StackSpace;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.memory.ThreadState.Native;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/**
 * Holds on the pages of other threads: those of threads that Java does not know, and those that
 * have escaped from their threads. As long as one is held, the page serves no other thread.
 */
public final class Holds {

  private final Registry registry;
  private final Threads threads;
  private final Starting starting;

  Holds(Registry registry, Starting starting) {
    this.registry = registry;
    this.threads = registry.threads;
    this.starting = starting;
  }

  /**
   * {@return the page of a thread of this process, made if the thread has none} It serves no other
   * thread until {@link ThreadPage#giveBack}.
   *
   * @param task from {@link Task#all}
   * @throws NotFoundException if the thread has ended
   * @throws KernelException if it cannot be determined whether it has
   * @throws VirtualThreadException if values of virtual threads are shown there at times
   */
  public ThreadPage borrow(Task task) {
    StackSpace.require();
    ThreadPage page;
    try (Pinned _ = Pinned.here()) {
      synchronized (registry.lock) {
        registry.catchUp();
        ThreadRecord record = threads.search.find(task);
        if (record == null && starting.await()) {
          registry.catchUp(); // it may have been one of these
          record = threads.search.find(task);
        }
        if (record == null) {
          threads.search.requireAlive(task);
          record = threads.enterNative(task);
        } else if (record.state() instanceof Native && threads.moves.hasTo(record)) {
          record = threads.move(record).record;
        }
        page = held(record);
      }
    }
    registry.maps.logFailures(); // by foreign code, which is not to be pinned
    return page;
  }

  private static ThreadPage held(ThreadRecord record) {
    ThreadPage page = record.hold();
    hold(record);
    return page;
  }

  /** {@return the same, or null if the thread has no page} */
  public @Nullable ThreadPage borrowIfAny(Task task) {
    StackSpace.require();
    try (Pinned _ = Pinned.here()) {
      synchronized (registry.lock) {
        registry.catchUp();
        ThreadRecord record = threads.search.find(task);
        if (record == null) {
          threads.search.requireAlive(task);
          return null;
        }
        return held(record);
      }
    }
  }

  void giveBack(ThreadPage page) {
    try (Pinned _ = Pinned.here()) {
      synchronized (registry.lock) {
        page.record.place.letGo();
        threads.ends.releaseIfUnused(page.record.place);
      }
    }
  }

  /** The page serves no other thread as long as something is reachable. */
  void keep(Object user, Place place) {
    StackSpace.require();
    try (Pinned _ = Pinned.here()) {
      synchronized (registry.lock) {
        Reference<Object> ignored = registry.data.watch(user, place);
      }
    }
  }

  /**
   * Holds a page, but not that of a carrier: who reaches it from elsewhere would reach the values
   * of the virtual thread that is mounted there.
   */
  private static void hold(ThreadRecord record) {
    record.place.hold();
    if (record.place.carries()) {
      record.place.letGo();
      Task task = record.place.task();
      throw new VirtualThreadException(
          "%s carries virtual threads, and its page has the values of whichever is mounted"
              .formatted(task),
          "use get, set or with in code of that thread, or on the virtual threads; or bind the"
              + " value before the thread carries any: they are then not seen there");
    }
  }

  /**
   * {@return whether values of virtual threads may be shown in the calling thread's page} If so,
   * nobody else reaches the page from now on; if not, somebody does now.
   */
  static boolean carry(ThreadPage page) {
    return page.record.place.carry();
  }

  /** From now on the page may be in use after the end of its thread. */
  void escape(ThreadPage page) {
    StackSpace.require();
    try (Pinned _ = Pinned.here()) {
      synchronized (registry.lock) {
        hold(page.record);
        try {
          if (!page.escaped) {
            Reference<Object> ignored = registry.data.watch(page, page.record.place);
            page.escaped = true;
            threads.ends.releaseUnreachable();
          }
        } finally {
          page.record.place.letGo();
        }
      }
    }
  }

  /**
   * {@return the Java thread of a kernel task, if it has used a key and has not ended}
   *
   * @param task from {@link Task#all}
   * @throws KernelException if it cannot be determined whether it has
   */
  public @Nullable Thread threadOf(Task task) {
    try (Pinned _ = Pinned.here()) {
      synchronized (registry.lock) {
        registry.catchUp();
        return threads.search.threadOf(task);
      }
    }
  }
}
