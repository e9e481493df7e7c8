// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

/** Does to a thread what a pool does that clears its ThreadLocals. */
public final class ThreadPagesProbe {

  private ThreadPagesProbe() {}

  /** Drops the calling thread's hold on its page. */
  public static void forgetCurrent() {
    ThreadPages.CURRENT.remove();
  }
}
