// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.stress;

/** Platform threads, from start to end. */
final class Threads {

  private Threads() {}

  /** Runs something in a new thread, and waits for the thread's end. */
  static void run(Runnable work) {
    Thread thread = new Thread(work);
    thread.start();
    try {
      thread.join();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
