// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.kernel.NativeAccess;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.memory.ThreadPage;
import io.github.tasklocal.memory.ThreadPages;
import io.github.tasklocal.memory.VirtualThreads;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A platform thread that has its page of values from the start, in a field, where {@code set} and
 * {@code get} of every {@link TaskLocal} find it without a look-up. For pools:
 *
 * {@snippet :
 * ExecutorService pool = Executors.newFixedThreadPool(8, TaskLocalThread.factory("request-"));
 * }
 *
 * <p>Keys work on every thread in the same way; on these they are faster.
 *
 * <p>The constructor takes the page. It is given back after the thread's end. If the thread was
 * never started, or values of it were bound, it is given back when this object and all bound values
 * are unreachable. The thread registers itself with the open maps as it starts, whether it will use
 * a key or not: some microseconds for each map. As with any thread, a registration that fails is
 * reported at the map, and the thread goes on.
 */
public class TaskLocalThread extends Thread {

  private static final VarHandle ADDRESS;

  static {
    try {
      ADDRESS = MethodHandles.lookup().findVarHandle(TaskLocalThread.class, "address", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
    ThreadPages.leaver(new Leaver());
    ThreadPages.finder(new Finder());
  }

  /** Changed by the thread itself alone. */
  private ThreadPage page;

  /**
   * The page's address, copied to save a load; 0 until the thread has begun, and when it has to
   * leave the page.
   */
  @SuppressWarnings("UnusedVariable") // through ADDRESS
  private long address;

  /**
   * Makes a thread with a name of the form {@code Thread-N}, as {@link Thread#Thread(Runnable)}.
   *
   * @param task what it runs, or null for nothing
   * @throws OutOfMemoryError if the system gives this process no memory for its page
   */
  public TaskLocalThread(@Nullable Runnable task) {
    super(task);
    page = ThreadPages.REGISTRY.reserve();
  }

  /**
   * Makes a thread with a name.
   *
   * @param task what it runs, or null for nothing
   * @param name the thread's name
   * @throws OutOfMemoryError if the system gives this process no memory for its page
   */
  public TaskLocalThread(@Nullable Runnable task, String name) {
    super(task, name);
    page = ThreadPages.REGISTRY.reserve();
  }

  /**
   * {@return a factory of such threads, which any number of threads may use at once} Its threads
   * are not daemons.
   *
   * @param namePrefix what their names begin with; a number from 0 up follows
   */
  public static ThreadFactory factory(String namePrefix) {
    Objects.requireNonNull(namePrefix, "namePrefix is null: give a prefix, such as \"request-\"");
    AtomicLong number = new AtomicLong();
    return task -> {
      Thread thread = new TaskLocalThread(task, namePrefix + number.getAndIncrement());
      thread.setDaemon(false);
      return thread;
    };
  }

  /**
   * {@return a factory of virtual threads whose values follow them from their first step on, as far
   * as that was allowed: see {@link TaskLocal}} Values of other virtual threads follow them from
   * their first use of a key on, which costs some microseconds then.
   *
   * @param namePrefix what their names begin with; a number from 0 up follows
   */
  public static ThreadFactory virtualFactory(String namePrefix) {
    Objects.requireNonNull(namePrefix, "namePrefix is null: give a prefix, such as \"request-\"");
    ThreadFactory factory = Thread.ofVirtual().name(namePrefix, 0).factory();
    return task -> {
      Thread thread = factory.newThread(task);
      VirtualThreads.follow(thread);
      return thread;
    };
  }

  /**
   * {@return what of this JDK keeps the values of virtual threads from following them, or nothing}
   * Whether following is allowed does not matter here. If there is something, their values are
   * plain memory of each thread: see {@link TaskLocal}.
   */
  public static Optional<String> virtualProblem() {
    return Optional.ofNullable(VirtualThreads.unfit());
  }

  /**
   * Starts the thread; see {@link Thread#start()}.
   *
   * @throws IllegalThreadStateException if it was started before
   */
  @Override
  public void start() {
    ThreadPage reserved = page;
    ThreadPages.REGISTRY.starting(reserved);
    boolean started = false;
    try {
      super.start();
      started = true;
    } finally {
      if (!started) {
        ThreadPages.REGISTRY.notStarting(reserved);
      }
    }
  }

  /**
   * Registers the thread and runs its task. Final, so that no code of the thread runs before the
   * registration.
   */
  @Override
  public final void run() {
    if (Thread.currentThread() == this) {
      begin();
    }
    super.run();
  }

  private void begin() {
    if (!NativeAccess.allowed()) {
      return; // no key can be made then
    }
    ThreadPage reserved = page;
    try {
      ThreadPage ignored = entered();
    } catch (RuntimeException | Error e) {
      // The thread goes on; its first use of a key tries again, and throws this if it fails again.
    } finally {
      ThreadPages.REGISTRY.notStarting(reserved);
    }
  }

  /** {@return the same as {@link #enter}} Logs what has failed. */
  private ThreadPage entered() {
    ThreadPage now = enter();
    ThreadPages.logFailures();
    return now;
  }

  /** {@return the page of this thread, which is the calling one, and has begun} */
  private ThreadPage enter() {
    ThreadPage now = ThreadPages.REGISTRY.begin(page, this);
    page = now;
    ADDRESS.setVolatile(this, now.start);
    if (now.address() == 0) {
      ADDRESS.setOpaque(this, 0L); // taken away meanwhile
    }
    return now;
  }

  private ThreadPage known() {
    return (long) ADDRESS.getOpaque(this) == 0 ? enter() : page;
  }

  private static final class Finder implements Function<Thread, @Nullable ThreadPage> {
    @Override
    public @Nullable ThreadPage apply(Thread current) {
      return current instanceof TaskLocalThread own ? own.known() : null;
    }
  }

  private static final class Leaver implements Consumer<Thread> {
    @Override
    public void accept(Thread thread) {
      if (thread instanceof TaskLocalThread own) {
        ADDRESS.setOpaque(own, 0L);
      }
    }
  }

  /**
   * {@return where the calling thread's value of a key lies} On a virtual thread it is right until
   * the thread blocks, or uses another key.
   *
   * @param offset that of the key, which callers have at hand
   */
  static long address(Key key, long offset) {
    Thread thread = Thread.currentThread();
    if (VirtualThreads.isMounted(thread)) {
      return VirtualThreads.address(thread, key) + offset;
    }
    if (thread instanceof TaskLocalThread own) {
      long address = (long) ADDRESS.getOpaque(own);
      return (address == 0 ? own.entered().start : address) + offset;
    }
    return ThreadPages.address(thread) + offset;
  }

  /**
   * {@return where the calling thread's value of a key lies; 0 if the thread is virtual and has not
   * used the key, so that its value is zero} It is right as long as that of {@link #address}.
   */
  static long addressIfUsed(Key key) {
    Thread thread = Thread.currentThread();
    return VirtualThreads.isMounted(thread) && !VirtualThreads.hasUsed(thread, key)
        ? 0
        : address(key, key.offset());
  }

  /** The calling thread's page. */
  static ThreadPage page() {
    Thread thread = Thread.currentThread();
    if (thread instanceof TaskLocalThread own) {
      return (long) ADDRESS.getOpaque(own) == 0 ? own.entered() : own.page;
    }
    return ThreadPages.of(thread);
  }
}
