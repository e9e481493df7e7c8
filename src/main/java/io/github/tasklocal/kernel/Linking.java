// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.libbpf.libbpf_h;
import io.github.tasklocal.libbpf.libc_h;

/**
 * Links the calls that maps need, once, on a thread with a whole stack. A class that fails to
 * initialise for lack of stack would never be usable again, and the calling thread may have little
 * left.
 *
 * <p>The caller waits for what opening a map needs; the thread then goes on with what is needed
 * later, while the caller does its work.
 */
final class Linking implements Runnable {

  private static final long STACK_BYTES = 1 << 20;

  private static final Object LOCK = new Object();

  private static volatile boolean begun;

  private boolean ready;

  private Linking() {}

  /**
   * Links what opening a map needs, if this has not happened yet. What cannot be linked is said by
   * who calls it.
   *
   * @throws StackOverflowError if too little stack is left to begin
   * @throws OutOfMemoryError if no thread can be started; the next call tries again
   */
  static void ensure() {
    if (begun) {
      return;
    }
    StackSpace.require();
    synchronized (LOCK) {
      if (begun) {
        return;
      }
      Linking linking = new Linking();
      Thread thread = new Thread(null, linking, "tasklocal-linking", STACK_BYTES, false);
      thread.setDaemon(true);
      thread.setContextClassLoader(null);
      thread.start();
      linking.await();
      begun = true;
    }
  }

  private synchronized void await() {
    boolean interrupted = false;
    while (!ready) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void run() {
    try {
      first();
    } catch (RuntimeException | Error e) {
      // Said by the call itself, again.
    } finally {
      synchronized (this) {
        ready = true;
        notifyAll();
      }
    }
    try {
      rest();
    } catch (RuntimeException | Error e) {
      // As above.
    }
  }

  private static void first() {
    Object ignored = Libc.gettid();
    ignored = libbpf_h.bpf_obj_get$handle();
    ignored = libbpf_h.bpf_obj_get_info_by_fd$handle();
    ignored = libbpf_h.bpf_map_update_elem$handle();
    ignored = libc_h.close$handle();
    ignored = libc_h.madvise$handle();
  }

  private static void rest() {
    Object ignored = libbpf_h.bpf_map_lookup_elem$handle();
    ignored = libbpf_h.bpf_map_delete_elem$handle();
    ignored = Libc.mmap();
    ignored = libc_h.munmap$handle();
  }
}
