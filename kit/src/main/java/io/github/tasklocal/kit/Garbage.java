// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;

/** The collector, when a test needs it. */
public final class Garbage {

  private Garbage() {}

  /**
   * Collects garbage, and waits until the runtime's own thread has queued the references to what
   * was found: a reference that was made for this is in its queue.
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
