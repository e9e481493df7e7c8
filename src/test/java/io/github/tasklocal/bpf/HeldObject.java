// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;

/** Keeps an object's lock for ever, as a load would that does not end. */
public final class HeldObject {

  private HeldObject() {}

  /** Returns once a daemon thread has the object for itself. */
  public static void hold(BpfObject object) throws InterruptedException {
    CountDownLatch held = new CountDownLatch(1);
    Thread holder =
        new Thread(
            () ->
                object.attach(
                    () -> {
                      held.countDown();
                      while (true) {
                        LockSupport.park();
                      }
                    }));
    holder.setDaemon(true);
    holder.start();
    held.await();
  }
}
