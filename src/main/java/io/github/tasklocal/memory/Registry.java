// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.StackSpace;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.memory.ThreadState.Attached;
import io.github.tasklocal.memory.ThreadState.Java;
import io.github.tasklocal.memory.ThreadState.Reserved;
import java.lang.invoke.VarHandle;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The threads that have a page. A thread gets its page at its first use of a key, and is then
 * registered with each open map ({@link Maps}). A thread that Java does not know gets its page when
 * another thread sets a value for it.
 *
 * <p>What can fail in an operation comes first, and its last steps cannot fail:
 * docs/architecture.md has the rules.
 */
public final class Registry {

  /** Whether all processors of this kind load in program order, as x86's do. */
  private static final boolean LOADS_IN_ORDER = System.getProperty("os.arch", "").equals("amd64");

  /** What all copies of the library have in common; its lock is theirs. */
  final SharedData data;

  final Object lock;
  final Kernel kernel;
  final Served served;
  final Leftovers leftovers = new Leftovers(this);
  final Maps maps;
  final Threads threads;
  final Holds holds;

  private final ThreadLists lists;

  /** Kept here: the shared data keeps no function. */
  private final UnfitPages.Leaver leaver;

  /** Gets the page of each thread, in the thread. */
  private volatile @Nullable LongConsumer arrival;

  private final Starting starting;

  /** Whether a thread has entered, or has begun with its reserved page, in the common way. */
  private boolean entered;

  private boolean begun;

  /**
   * Makes an empty registry.
   *
   * @param kernel what gives pages, and registers threads
   * @param clock in nanoseconds
   * @param lists where the pages of threads are found
   * @param keys what maps are told of
   * @param data what all copies have in common
   * @param leaver takes a thread's own copy of its page's address away, if it has one
   */
  Registry(
      Kernel kernel,
      LongSupplier clock,
      ThreadLists lists,
      KeyDirectory keys,
      SharedData data,
      Consumer<Thread> leaver) {
    this.data = data;
    this.lock = data.lock;
    this.kernel = kernel;
    this.starting = new Starting(data, clock);
    this.lists = lists;
    this.served = new Served(kernel, data, clock);
    this.threads = new Threads(this, lists, clock);
    this.holds = new Holds(this, starting);
    this.leaver = threads.leaver(leaver);
    int[] uses;
    synchronized (lock) {
      uses = data.join(this, this.leaver);
    }
    this.maps = new Maps(this, keys, uses);
    keys.settleBy(this::settle);
  }

  /**
   * Waits, where loads may come out of order, until every BPF program has ended that may have read
   * a key's place before its description was there: then a program that sees the key sees all of
   * it, also one with a header that has no barrier between its loads. Only where a map is open, or
   * was. litmus/key-other-headers.litmus has what it rests on.
   */
  private void settle() {
    if (!LOADS_IN_ORDER) {
      VarHandle.fullFence(); // whoever opens a map after the look shows the description, too
      if (data.mapsChanged() != 0) {
        int ignored = kernel.barrier(); // where a filter refuses it, nothing can be done
      }
    }
  }

  /**
   * Has each thread say where its page begins: at its first use of a key, when it moves to another
   * page, and at its next use if it has one already. A thread of another copy of the library does
   * so at its first use of a key of this one.
   *
   * @param code gets the page, in its thread and under no lock; must neither fail nor use a key
   */
  void arrivals(LongConsumer code) {
    try (Pinned _ = Pinned.here()) {
      synchronized (lock) {
        catchUp();
        arrival = code;
        leaver.takeAll(); // each asks for its page anew, and stays there
      }
    }
  }

  private void arrived(ThreadPage page) {
    LongConsumer code = arrival;
    if (code != null) {
      code.accept(page.start);
    }
  }

  /** Learns what other copies of the library have done. First of all whenever the lock is taken. */
  void catchUp() {
    maps.catchUp();
    threads.catchUp();
  }

  /**
   * {@return a page for the calling thread, which has none yet, or has to leave the one it has} The
   * caller has logged what fails, {@link Maps#logFailures}, unless it is about to mount a virtual
   * thread: a log handler may wait for another one, which may have no other carrier. Then the
   * keeper has it logged.
   *
   * @param thread the calling thread, and no other; not one that is mounted on carriers
   * @throws OutOfMemoryError if the system gives no memory; the next call tries again
   */
  public ThreadPage first(Thread thread) {
    StackSpace.require(entered);
    int tid = kernel.currentTid();
    ThreadPage page;
    data.waiting.incrementAndGet();
    synchronized (lock) {
      data.waiting.decrementAndGet();
      catchUp();
      page = lists.find(thread.threadId());
      if (page == null) {
        page = enter(thread, tid, thread.threadId());
      } else if (page.address() == 0) {
        page = leave(page, thread, tid, thread.threadId());
      }
      if (arrival != null) {
        threads.keepWithTask(page.record);
      }
    }
    arrived(page);
    return page;
  }

  private ThreadPage enter(Thread thread, int tid, long listed) {
    Task task = Task.of(tid, thread);
    ThreadRecord known = threads.search.nativeOf(tid, thread);
    if (known != null) {
      StackSpace.require();
      return threads.attach(known, task, listed);
    }
    ThreadRecord met = threads.search.metElsewhere(tid, thread);
    if (met != null) {
      StackSpace.require();
      return threads.meet(met, task, listed);
    }
    ThreadState state =
        data.packed() ? new Attached(task, listed, kernel.task(tid)) : new Java(task, listed);
    ThreadPage page = threads.enter(state);
    entered = true;
    return page;
  }

  /** {@return the page to which the calling thread moves, or has moved in another copy} */
  private ThreadPage leave(ThreadPage page, Thread thread, int tid, long listed) {
    StackSpace.require();
    if (!page.record.place.isOver()) {
      if (threads.moves.hasTo(page.record)) {
        return threads.move(page.record);
      }
      maps.register(page.record); // it may have been waited for
      page.restore();
      return page;
    }
    threads.ends.end(page.record);
    return enter(thread, tid, listed);
  }

  /**
   * {@return a page for a thread that has not been started} It is that thread's from {@link #begin}
   * on, and is in none of the lists. It is released if it becomes unreachable before.
   *
   * @throws OutOfMemoryError if the system gives no memory
   */
  public ThreadPage reserve() {
    StackSpace.require();
    try (Pinned _ = Pinned.here()) {
      synchronized (lock) {
        catchUp();
        return threads.reserve();
      }
    }
  }

  /**
   * Announces that a thread is being started, so that nobody makes another page for it.
   *
   * @param page from {@link #reserve}
   */
  public void starting(ThreadPage page) {
    try (Pinned _ = Pinned.here()) {
      synchronized (lock) {
        starting.begin(page.record.state());
      }
    }
  }

  /** Ends {@link #starting}: the thread could not be started, or has begun, or cannot begin. */
  public void notStarting(ThreadPage page) {
    try (Pinned _ = Pinned.here()) {
      synchronized (lock) {
        starting.end(page.record.state());
      }
    }
  }

  /**
   * Registers the calling thread, which has a reserved page, or has to leave the one it has. What
   * fails is logged as by {@link #first}.
   *
   * @param page the page that it has; in none of the lists
   * @param thread the calling thread
   * @return the page that it has from now on
   */
  public ThreadPage begin(ThreadPage page, Thread thread) {
    StackSpace.require(begun);
    int tid = kernel.currentTid();
    ThreadPage now = page;
    synchronized (lock) {
      catchUp();
      ThreadRecord record = page.record;
      if (record.state() instanceof Reserved reserved) {
        Task task = Task.of(tid, thread);
        ThreadRecord known = threads.search.nativeOf(tid, thread);
        ThreadRecord met = known == null ? threads.search.metElsewhere(tid, thread) : null;
        if (known != null || met != null || threads.moves.hasTo(record)) {
          StackSpace.require();
        }
        if (known != null) {
          // Another thread has set a value for the task meanwhile, and could not know of this page,
          // since this thread was not started by start().
          now = threads.attach(known, task, 0);
        } else if (met != null) {
          now = threads.meet(met, task, 0);
        }
        starting.end(reserved);
        threads.begin(record, reserved, now == page ? new Java(task, 0) : null);
        begun = true;
        now = threads.moves.hasTo(now.record) ? threads.move(now.record) : now;
      } else if (record.hasEnded()) {
        StackSpace.require();
        now = enter(thread, tid, 0); // the reserved page was given back before this failed
      } else if (page.address() == 0 || record.place.isUnfit()) {
        now = leave(page, thread, tid, 0);
      }
    }
    arrived(now);
    return now;
  }

  /** {@return who holds pages of other threads} */
  public Holds holds() {
    return holds;
  }

  /** {@return the open maps} */
  public Maps maps() {
    return maps;
  }

  /**
   * {@return how many of the kernel's pages were taken from the system for values, in use or free}
   */
  public int pages() {
    return threads.pages(); // a number that only grows
  }
}
