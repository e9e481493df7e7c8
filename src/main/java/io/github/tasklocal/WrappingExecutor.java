// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Runs each task in a scope that is asked for in the thread that submits it. */
final class WrappingExecutor implements ExecutorService {

  private final ExecutorService threads;
  private final Supplier<TaskLocalScope> scope;

  WrappingExecutor(ExecutorService threads, Supplier<TaskLocalScope> scope) {
    this.threads = Objects.requireNonNull(threads, "executor is null: pass what runs the tasks");
    this.scope = scope;
  }

  private <T extends @Nullable Object> List<Callable<T>> wrapAll(
      Collection<? extends Callable<T>> tasks) {
    TaskLocalScope values = scope.get();
    List<Callable<T>> all = new ArrayList<>(tasks.size());
    for (Callable<T> each : tasks) {
      all.add(values.wrap(each));
    }
    return all;
  }

  @Override
  public void execute(Runnable task) {
    threads.execute(scope.get().wrap(task));
  }

  @Override
  public Future<?> submit(Runnable task) {
    return threads.submit(scope.get().wrap(task));
  }

  @Override
  public <T extends @Nullable Object> Future<T> submit(Runnable task, T result) {
    return threads.submit(scope.get().wrap(task), result);
  }

  @Override
  public <T extends @Nullable Object> Future<T> submit(Callable<T> task) {
    return threads.submit(scope.get().wrap(task));
  }

  @Override
  public <T extends @Nullable Object> List<Future<T>> invokeAll(
      Collection<? extends Callable<T>> tasks) throws InterruptedException {
    return threads.invokeAll(wrapAll(tasks));
  }

  @Override
  public <T extends @Nullable Object> List<Future<T>> invokeAll(
      Collection<? extends Callable<T>> tasks, long timeout, TimeUnit unit)
      throws InterruptedException {
    return threads.invokeAll(wrapAll(tasks), timeout, unit);
  }

  @Override
  public <T extends @Nullable Object> T invokeAny(Collection<? extends Callable<T>> tasks)
      throws InterruptedException, ExecutionException {
    return threads.invokeAny(wrapAll(tasks));
  }

  @Override
  public <T extends @Nullable Object> T invokeAny(
      Collection<? extends Callable<T>> tasks, long timeout, TimeUnit unit)
      throws InterruptedException, ExecutionException, TimeoutException {
    return threads.invokeAny(wrapAll(tasks), timeout, unit);
  }

  @Override
  public void shutdown() {
    threads.shutdown();
  }

  @Override
  public List<Runnable> shutdownNow() {
    return threads.shutdownNow();
  }

  @Override
  public boolean isShutdown() {
    return threads.isShutdown();
  }

  @Override
  public boolean isTerminated() {
    return threads.isTerminated();
  }

  @Override
  public boolean awaitTermination(long timeout, TimeUnit unit) throws InterruptedException {
    return threads.awaitTermination(timeout, unit);
  }

  /** As the other one's, which need not end: the common pool does not. */
  @Override
  public void close() {
    threads.close();
  }

  @Override
  public String toString() {
    return "WrappingExecutor[" + threads + "]";
  }
}
