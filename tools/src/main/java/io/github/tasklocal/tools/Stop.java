// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Lets a command that runs until a signal end in its own way: on a signal the JVM waits until this
 * is closed, for 30 seconds at most.
 */
final class Stop implements AutoCloseable {

  private final CountDownLatch asked = new CountDownLatch(1);
  private final CountDownLatch ended = new CountDownLatch(1);
  private final Thread hook = new Thread(this::ask);

  Stop() {
    try {
      Runtime.getRuntime().addShutdownHook(hook);
    } catch (IllegalStateException e) {
      asked.countDown(); // the JVM is ending
    }
  }

  private volatile Runnable action = () -> {};

  private void ask() {
    asked.countDown();
    action.run();
    try {
      boolean ignored = ended.await(30, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Has something done on a signal, or now if there was one. */
  void then(Runnable todo) {
    action = todo;
    if (await(0)) {
      todo.run();
    }
  }

  /** Waits, and {@return whether the command is to end} */
  boolean await(long millis) {
    try {
      return asked.await(millis, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return true;
    }
  }

  @Override
  public void close() {
    ended.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The JVM is ending: the hook runs, and no longer waits.
    }
  }
}
