// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/** Threads whose failures fail the test. */
public final class Parallel {

  private Parallel() {}

  /** What each thread does. */
  @FunctionalInterface
  public interface Work {
    /**
     * Works.
     *
     * @param index of the thread, from 0
     */
    void run(int index) throws Exception;
  }

  /** Runs the work in several new platform threads, and throws what the first failure threw. */
  public static void run(int threads, Work work) throws Exception {
    ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();
    List<Thread> running = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      int index = i;
      running.add(
          Thread.ofPlatform()
              .name(Runner.THREAD + "-" + i)
              .daemon()
              .unstarted(
                  () -> {
                    try {
                      work.run(index);
                    } catch (Throwable e) {
                      failures.add(e);
                      // The others may wait for this one at a barrier.
                      running.forEach(Thread::interrupt);
                    }
                  }));
    }
    running.forEach(Thread::start);
    try {
      for (Thread thread : running) {
        thread.join();
      }
    } finally {
      running.forEach(Thread::interrupt); // if this thread was interrupted
    }
    Throwable first = failures.poll();
    if (first == null) {
      return;
    }
    failures.forEach(first::addSuppressed);
    switch (first) {
      case Exception exception -> throw exception;
      case Error error -> throw error;
      default -> throw new AssertionError(first);
    }
  }
}
