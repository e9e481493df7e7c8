// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import io.github.tasklocal.kit.Await;
import java.util.concurrent.CountDownLatch;

/** A thread that has done something, and lives until this is closed. */
final class Worker implements AutoCloseable {

  private final CountDownLatch end = new CountDownLatch(1);
  private final Thread thread;

  /** Returns when the thread has done it. */
  Worker(Runnable work) throws InterruptedException {
    CountDownLatch done = new CountDownLatch(1);
    thread =
        Thread.ofPlatform()
            .name("worker")
            .start(
                () -> {
                  try {
                    work.run();
                  } finally {
                    done.countDown();
                  }
                  try {
                    end.await();
                  } catch (InterruptedException e) {
                    // then it ends now
                  }
                });
    done.await();
  }

  Thread thread() {
    return thread;
  }

  @Override
  public void close() {
    end.countDown();
    Await.until("the worker has ended", () -> !thread.isAlive());
  }
}
