// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.TaskLocalThread;
import java.util.concurrent.locks.LockSupport;

/** Virtual threads of the factory, and pages, in a process that may not reach memory. */
public final class DeniedAccessChild {

  private DeniedAccessChild() {}

  public static void main(String[] arguments) throws InterruptedException {
    Thread thread =
        TaskLocalThread.virtualFactory("denied-")
            .newThread(
                () -> {
                  for (int i = 0; i < 100; i++) {
                    LockSupport.parkNanos(1);
                  }
                });
    thread.start();
    thread.join();
    System.out.println(ThreadPages.REGISTRY.pages() + " pages for a virtual thread");
    int failed = 0;
    int first = 0;
    for (int i = 0; i < 100; i++) {
      try {
        ThreadPage ignored = ThreadPages.of(Thread.currentThread());
      } catch (RuntimeException | Error e) {
        failed++;
      }
      first = i == 0 ? ThreadPages.REGISTRY.pages() : first;
    }
    int more = ThreadPages.REGISTRY.pages() - first;
    System.out.println(failed + " failed, " + more + " pages more");
  }
}
