// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.VirtualThreadException;
import io.github.tasklocal.kernel.LinuxKernel;
import io.github.tasklocal.kernel.StackSpace;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.layout.KeyDirectory;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** The pages of this process's threads: its registry, and how each access finds its page. */
public final class ThreadPages {

  static final SharedData DATA = new SharedData(Home.find(SlotSize.BYTES));

  /** The keys of the process. */
  public static final KeyDirectory DIRECTORY = DATA.directory();

  /** The threads and maps of the process. */
  public static final Registry REGISTRY =
      new Registry(
          new LinuxKernel(), new Clock(), ThreadLists.ofProcess(), DIRECTORY, DATA, new Leaver());

  private static volatile @Nullable Consumer<Thread> leaver;
  private static volatile @Nullable Function<Thread, @Nullable ThreadPage> finder;

  private ThreadPages() {}

  /**
   * {@return the page of the calling thread, made at the first call}
   *
   * @param current the calling thread, and no other
   * @throws VirtualThreadException if it is mounted on carriers
   */
  public static ThreadPage of(Thread current) {
    ThreadPage page = ThreadLists.find(current);
    return page == null || page.address() == 0 ? first(current) : page;
  }

  private static ThreadPage first(Thread current) {
    if (VirtualThreads.isMounted(current)) {
      throw new VirtualThreadException(
          "a value of the virtual thread \"%s\" (%d) was to be held in its place"
              .formatted(current.getName(), current.threadId()),
          "a virtual thread's values have no place that stays: use get and set, getString and"
              + " setString, update, with or varHandle there instead of segment and bind");
    }
    return entered(current);
  }

  /** {@return the page of the calling thread, which has none, or has to leave it} */
  private static ThreadPage entered(Thread current) {
    ThreadPage page = REGISTRY.first(current);
    logFailures();
    return page;
  }

  /** Logs what has failed. Under no lock, and not where a virtual thread is being mounted. */
  public static void logFailures() {
    REGISTRY.maps.logFailures();
  }

  /**
   * {@return where the values of the calling thread begin} Its page is made at the first call.
   *
   * <p>It calls no method of its own for a page that is first in its list: a compiler that has seen
   * virtual threads nearly alone would leave it a call.
   *
   * @param current the calling thread, and no other, which is not {@link VirtualThreads#isMounted}
   */
  public static long address(Thread current) {
    long id = current.threadId();
    ThreadPage page = ThreadLists.PROCESS[(int) id & (ThreadLists.PROCESS.length - 1)];
    if (page == null || page.threadId != id) {
      page = ThreadLists.find(current);
    }
    long address = page == null ? 0 : (long) ThreadPage.ADDRESS.getOpaque(page);
    return address == 0 ? entered(current).start : address;
  }

  /**
   * {@return what the calling thread shows as a carrier; null if it is no platform thread, or shows
   * its own values alone since somebody else can write there}
   *
   * @throws OutOfMemoryError if the system gives no memory for its page
   * @throws StackOverflowError if the stack may not do for what shows values and takes them back
   */
  static @Nullable Carrier carrier() {
    Thread current = Thread.currentThread();
    if (current.isVirtual()) {
      return null;
    }
    if (!(current instanceof ForkJoinWorkerThread)) {
      StackSpace.require(true); // that of the JDK's carriers has hardly begun
    }
    Function<Thread, @Nullable ThreadPage> code = finder;
    ThreadPage own = code == null ? null : code.apply(current);
    ThreadPage page = own == null ? ThreadLists.find(current) : own;
    if (page == null || (own == null && page.address() == 0)) {
      page = REGISTRY.first(current);
    }
    Carrier carrier = page.carrier;
    if (carrier == null) {
      if (page.record.place.isHeld()) {
        return null; // without the room for its words, which a thread of each mount would ask for
      }
      carrier = new Carrier(page.start);
      if (!Holds.carry(page)) {
        return null;
      }
      page.carrier = carrier;
    }
    return carrier;
  }

  /**
   * Lets a value be found by who stops a thread and knows neither maps nor pages: each thread says
   * where it has the value, when it gets its page, and when it moves to another. A thread that has
   * a page says so at its next use of any key, and a carrier before it next shows a virtual thread.
   *
   * <p>Values of virtual threads follow them from now on, where that was allowed, also without a
   * map. While one comes or goes, a word of it is 0.
   *
   * @param key which no thread has used
   * @param guard where that word is in the value, in bytes
   * @param code gets the value's address, in the thread; must neither fail nor use a key
   */
  public static void expose(Key key, int guard, LongConsumer code) {
    VirtualRecord.guard(key.offset() + guard);
    VirtualThreads.opened();
    REGISTRY.arrivals(page -> code.accept(page + key.offset()));
  }

  /** {@return how often the process's keeper has gone round, for tests that wait for it} */
  public static long keeperRounds() {
    return REGISTRY.maps().keeper().rounds();
  }

  /**
   * Names what takes a thread's own copy of its page's address away.
   *
   * @param code gets the thread, under the registry's lock; must not fail
   */
  public static void leaver(Consumer<Thread> code) {
    leaver = code;
  }

  /**
   * Names what finds the page of a thread that has it in a field.
   *
   * @param code gets the calling thread, and returns null if that has none there; logs nothing
   */
  public static void finder(Function<Thread, @Nullable ThreadPage> code) {
    finder = code;
  }

  // Not lambdas: the first one of a process takes milliseconds.

  private static final class Clock implements LongSupplier {
    @Override
    public long getAsLong() {
      return System.nanoTime();
    }
  }

  private static final class Leaver implements Consumer<Thread> {
    @Override
    public void accept(Thread thread) {
      Consumer<Thread> code = leaver;
      if (code != null) {
        code.accept(thread);
      }
    }
  }
}
