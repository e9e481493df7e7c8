// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;

/** Holds an object's lock for ever, as a load that does not end would. */
public final class HeldObject {

  private HeldObject() {}

  /** Returns once a daemon thread holds the object's lock. */
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
