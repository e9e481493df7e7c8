// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.libbpf.libbpf_h;
import io.github.tasklocal.libbpf.libc_h;
import org.jspecify.annotations.Nullable;

/**
 * Links the calls that maps need, once, on a thread with a whole stack, for which the caller waits.
 * A class that fails to initialise for lack of stack would never be usable again, and the calling
 * thread may have little left. What opening a map and a first use need is linked first; the rest is
 * linked when it is needed, most often by the keeper, and not while the application starts.
 */
final class Linking implements Runnable {

  private static final long STACK_BYTES = 1 << 20;

  private static final Object LOCK = new Object();

  private static @Nullable Linking first;
  private static @Nullable Linking rest;

  private static volatile boolean done;
  private static volatile boolean allDone;

  private final boolean all;
  private boolean ready;

  private Linking(boolean all) {
    this.all = all;
  }

  /**
   * Links what opening a map needs, if this has not happened yet. What cannot be linked is said by
   * who calls it.
   *
   * @throws StackOverflowError if too little stack is left to begin
   * @throws OutOfMemoryError if no thread can be started; the next call tries again
   */
  static void ensure() {
    if (!done) {
      begun(false).await();
      done = true;
    }
  }

  /** Links what is needed later, likewise. */
  static void ensureAll() {
    if (!allDone) {
      begun(true).await();
      allDone = true;
    }
  }

  /** Under no lock, each caller waits for the thread, and not for another that waits for it. */
  private static Linking begun(boolean all) {
    StackSpace.require();
    synchronized (LOCK) {
      Linking linking = all ? rest : first;
      if (linking == null) {
        linking = new Linking(all);
        linking.start();
        if (all) {
          rest = linking;
        } else {
          first = linking;
        }
      }
      return linking;
    }
  }

  private void start() {
    Thread thread = new Thread(null, this, "tasklocal-linking", STACK_BYTES, false);
    thread.setDaemon(true);
    thread.setContextClassLoader(null);
    thread.start();
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
      if (all) {
        rest();
      } else {
        first();
      }
    } catch (RuntimeException | Error e) {
      // Said by the call itself, again.
    } finally {
      synchronized (this) {
        ready = true;
        notifyAll();
      }
    }
  }

  private static void first() {
    Object ignored = Libc.gettid();
    ignored = libc_h.close$handle();
    Libc.linkPages();
    ignored = libbpf_h.bpf_obj_get$handle(); // last, as libbpf may be missing
    ignored = libbpf_h.bpf_obj_get_info_by_fd$handle();
    ignored = libbpf_h.bpf_map_update_elem$handle();
  }

  /**
   * Has the JDK do now what it does at a handle's 128th call from the interpreter, and at each
   * later one until it succeeds: making a form of the handle's own (MethodHandle.maybeCustomize in
   * java.lang.invoke; the number is a byte). That needs memory, and a descriptor that could not be
   * closed for lack of it would stay open for good. Other calls are tried again. It takes some 3
   * ms, so it is not done while the application starts.
   */
  private static void settleClose() {
    for (int i = 0; i <= Byte.MAX_VALUE; i++) {
      Libc.close(-1);
    }
  }

  private static void rest() {
    settleClose();
    Object ignored = libc_h.statfs$handle();
    ignored = libbpf_h.bpf_map_lookup_elem$handle(); // last, as libbpf may be missing
    ignored = libbpf_h.bpf_map_delete_elem$handle();
  }
}
