// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.examples.executor;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalScope;
import io.github.tasklocal.TaskLocalThread;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * An executor whose tasks run with a value of a key. After each task its thread's old value is put
 * back, also when the task throws: so one pool serves tasks of all kinds, and BPF programs tell
 * them apart.
 *
 * <p>{@link #main} shows it, and checks it.
 */
public final class ScopedExecutor implements ExecutorService {

  private final ExecutorService pool;
  private final Supplier<TaskLocalScope> scope;

  /**
   * Wraps an executor, which is shut down with this one.
   *
   * @param pool runs the tasks
   * @param scope called for each task, in the thread that submits it, for the value to run it with
   */
  public ScopedExecutor(ExecutorService pool, Supplier<TaskLocalScope> scope) {
    this.pool = pool;
    this.scope = scope;
  }

  private Runnable in(Runnable task) {
    TaskLocalScope value = scope.get();
    return () -> value.run(task);
  }

  private <T> Callable<T> in(Callable<T> task) {
    TaskLocalScope value = scope.get();
    return () -> value.call(task::call);
  }

  private <T> List<Callable<T>> in(Collection<? extends Callable<T>> tasks) {
    List<Callable<T>> all = new ArrayList<>(tasks.size());
    tasks.forEach(each -> all.add(in(each)));
    return all;
  }

  @Override
  public void execute(Runnable task) {
    pool.execute(in(task));
  }

  @Override
  public Future<?> submit(Runnable task) {
    return pool.submit(in(task));
  }

  @Override
  public <T> Future<T> submit(Runnable task, T result) {
    return pool.submit(in(task), result);
  }

  @Override
  public <T> Future<T> submit(Callable<T> task) {
    return pool.submit(in(task));
  }

  @Override
  public <T> List<Future<T>> invokeAll(Collection<? extends Callable<T>> tasks)
      throws InterruptedException {
    return pool.invokeAll(in(tasks));
  }

  @Override
  public <T> List<Future<T>> invokeAll(
      Collection<? extends Callable<T>> tasks, long timeout, TimeUnit unit)
      throws InterruptedException {
    return pool.invokeAll(in(tasks), timeout, unit);
  }

  @Override
  public <T> T invokeAny(Collection<? extends Callable<T>> tasks)
      throws InterruptedException, ExecutionException {
    return pool.invokeAny(in(tasks));
  }

  @Override
  public <T> T invokeAny(Collection<? extends Callable<T>> tasks, long timeout, TimeUnit unit)
      throws InterruptedException, ExecutionException, TimeoutException {
    return pool.invokeAny(in(tasks), timeout, unit);
  }

  @Override
  public void shutdown() {
    pool.shutdown();
  }

  @Override
  public List<Runnable> shutdownNow() {
    return pool.shutdownNow();
  }

  @Override
  public boolean isShutdown() {
    return pool.isShutdown();
  }

  @Override
  public boolean isTerminated() {
    return pool.isTerminated();
  }

  @Override
  public boolean awaitTermination(long timeout, TimeUnit unit) throws InterruptedException {
    return pool.awaitTermination(timeout, unit);
  }

  // ---- The demonstration ----

  private static final TaskLocal.OfInt PRIORITY = TaskLocal.of("priority", ValueLayout.JAVA_INT);

  private static boolean failed;

  /**
   * Runs tasks in every way that an executor has, and exits with 1 if a task sees a wrong value or
   * leaves its own behind.
   *
   * @param args none
   * @throws Exception if a task fails that should not
   */
  public static void main(String[] args) throws Exception {
    Callable<Integer> read = PRIORITY::get;
    Callable<Integer> fail =
        () -> {
          throw new IllegalStateException("with " + PRIORITY.get());
        };
    // One thread, so that a value that a task leaves behind is found by the next task.
    try (ExecutorService pool =
        Executors.newSingleThreadExecutor(TaskLocalThread.factory("worker-"))) {
      TaskLocalScope seven = PRIORITY.with(7);
      ExecutorService urgent = new ScopedExecutor(pool, () -> seven);
      pool.submit(() -> PRIORITY.set(1)).get();
      check("a task of the pool", 1, pool.submit(read).get());
      check("a task of the wrapper", 7, urgent.submit(read).get());
      check("the pool's thread after it", 1, pool.submit(read).get());

      check("a task that throws", "with 7", messageOf(urgent.submit(fail)));
      check("the pool's thread after it", 1, pool.submit(read).get());

      List<Integer> all = new ArrayList<>();
      for (Future<Integer> each : urgent.invokeAll(List.of(read, read, read))) {
        all.add(each.get());
      }
      check("tasks of invokeAll", List.of(7, 7, 7), all);
      check("a task of invokeAny", 7, urgent.invokeAny(List.of(fail, read)));
      check(
          "stages of a CompletableFuture",
          List.of(7, 1),
          CompletableFuture.supplyAsync(PRIORITY::get, urgent)
              .thenApplyAsync(first -> List.of(first, PRIORITY.get()), pool)
              .get());

      // A task in a task, on one thread: the other pool is busy, so its callers run further tasks.
      ExecutorService full =
          new ThreadPoolExecutor(
              1,
              1,
              0,
              TimeUnit.SECONDS,
              new SynchronousQueue<>(),
              new ThreadPoolExecutor.CallerRunsPolicy());
      full.submit(
          () -> {
            Thread.sleep(Duration.ofDays(1));
            return null;
          });
      ExecutorService inner = new ScopedExecutor(full, () -> PRIORITY.with(3));
      check(
          "a task in a task: before, in it, after",
          List.of(7, 3, 7),
          urgent
              .submit(() -> List.of(PRIORITY.get(), inner.submit(read).get(), PRIORITY.get()))
              .get());
      check(
          "one that throws in it: before, in it, after",
          List.of(7, "with 3", 7),
          urgent
              .submit(() -> List.of(PRIORITY.get(), messageOf(inner.submit(fail)), PRIORITY.get()))
              .get());
      check(
          "one that throws past the executor: after",
          7,
          urgent
              .submit(
                  () -> {
                    try {
                      inner.execute(
                          () -> {
                            throw new IllegalStateException("out of execute");
                          });
                    } catch (IllegalStateException e) {
                      // As it should be.
                    }
                    return PRIORITY.get();
                  })
              .get());

      full.shutdownNow();

      // The submitter's own value, carried along.
      ExecutorService inherits = new ScopedExecutor(pool, () -> PRIORITY.with(PRIORITY.get()));
      check(
          "a task with its submitter's value",
          5,
          PRIORITY.with(5).call(() -> inherits.submit(read)).get());
      check("the pool's thread in the end", 1, pool.submit(read).get());
    }

    try (ExecutorService virtual =
        new ScopedExecutor(Executors.newVirtualThreadPerTaskExecutor(), () -> PRIORITY.with(7))) {
      check("a task on a virtual thread", 7, virtual.submit(read).get());
      check(
          "one that blocks in it: before, after",
          List.of(7, 7),
          virtual
              .submit(
                  () -> {
                    int before = PRIORITY.get();
                    Thread.sleep(1); // may go on with another carrier
                    return List.of(before, PRIORITY.get());
                  })
              .get());
    }
    if (failed) {
      System.exit(1);
    }
  }

  private static void check(String what, Object expected, Object found) {
    boolean right = expected.equals(found);
    failed |= !right;
    System.out.printf("%-46s %s%s%n", what, found, right ? "" : " WRONG: not " + expected);
  }

  private static String messageOf(Future<?> failed) throws InterruptedException {
    return causeOf(failed).getMessage();
  }

  private static Throwable causeOf(Future<?> failed) throws InterruptedException {
    try {
      throw new IllegalStateException("it gave " + failed.get());
    } catch (ExecutionException e) {
      return e.getCause();
    }
  }
}
