// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

/** Waits that an interrupt does not end. */
public final class Uninterrupted {

  private Uninterrupted() {}

  /** Waits for the end of a thread; an interrupt stays pending. */
  public static void join(Thread thread) {
    boolean interrupted = false;
    while (true) {
      try {
        thread.join();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
