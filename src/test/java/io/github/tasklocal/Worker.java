// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;

/** A platform thread that does what it is told until it is closed. */
public final class Worker implements AutoCloseable {

  private final LinkedBlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
  private final Thread thread;
  private final int tid;
  private boolean closed;

  /** Starts the thread, which uses no key yet. */
  public Worker(String name) {
    this(name, false);
  }

  /** Starts the thread, which uses no key yet, as a {@link TaskLocalThread} or a plain one. */
  public Worker(String name, boolean own) {
    thread = own ? new TaskLocalThread(this::run, name) : new Thread(this::run, name);
    thread.setDaemon(true);
    thread.start();
    tid = call(Libc::currentTid);
  }

  /** {@return threads that have set "life.00" to their index plus a base} */
  public static List<Worker> start(int count, TaskLocal.OfInt key, int base) {
    List<Worker> workers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Worker worker = new Worker("worker-" + i);
      int value = base + i;
      worker.run(() -> key.set(value));
      workers.add(worker);
    }
    return workers;
  }

  private void run() {
    try {
      while (!closed) {
        work.take().run();
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Has the thread do something, and waits for it without allocating anything. */
  public void runQuietly(FutureTask<?> task) {
    work.add(task);
    while (!task.isDone()) {
      LockSupport.parkNanos(1_000_000);
    }
  }

  /** {@return the result of work that the thread does} */
  public <T> T call(Supplier<T> supplier) {
    FutureTask<T> task = new FutureTask<>(supplier::get);
    work.add(task);
    return Await.result("work of " + thread.getName(), task);
  }

  /** Has the thread do something, and waits until it is done. */
  public void run(Runnable runnable) {
    Object ignored =
        call(
            () -> {
              runnable.run();
              return this;
            });
  }

  public Thread thread() {
    return thread;
  }

  public int tid() {
    return tid;
  }

  /** Ends the thread, in Java; its task ends a little later. */
  @Override
  public void close() {
    work.add(() -> closed = true);
    if (!Await.ended(thread)) {
      throw new AssertionError(thread + " does not end");
    }
  }
}
