// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;

/** Runs the garbage collector for a test. */
public final class Garbage {

  private Garbage() {}

  /**
   * Collects garbage, and waits until the runtime's own thread has queued the references to it,
   * which is seen by a reference that is made here.
   */
  public static void collect() {
    ReferenceQueue<Object> queue = new ReferenceQueue<>();
    PhantomReference<Object> reference = new PhantomReference<>(new Object(), queue);
    Await.until(
        "a collected object in its queue",
        () -> {
          System.gc();
          return reference.refersTo(null) && queue.poll() != null;
        });
  }
}
