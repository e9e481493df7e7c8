// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * What has failed in a map: counted, and the first one logged. Added to under the registry's lock.
 */
final class Failures {

  private final String map;

  /** Reported where there is no memory to say more. */
  private final KernelException unexplained;

  private final AtomicReference<@Nullable KernelException> unlogged = new AtomicReference<>();
  private final Map<String, Integer> kinds = new ConcurrentHashMap<>();
  private volatile int count;
  private volatile @Nullable KernelException last;

  /**
   * Makes an empty list.
   *
   * @param map names it in messages
   */
  Failures(String map) {
    this.map = map;
    this.unexplained = broken(null);
  }

  private KernelException broken(@Nullable Throwable cause) {
    KernelException e =
        new KernelException(
            "set the entry of a thread in",
            map,
            null,
            cause == null ? "the virtual machine has no memory to say why" : cause.toString(),
            "raise the limit of the heap (-Xmx) if memory is what lacks");
    if (cause != null) {
      Throwable ignored = e.initCause(cause);
    }
    return e;
  }

  /** {@return what is reported of something that the kernel did not refuse; never throws} */
  KernelException explained(Throwable cause) {
    try {
      return broken(cause);
    } catch (RuntimeException | Error e) {
      return unexplained;
    }
  }

  void add(KernelException e) {
    last = e;
    int before = count; // changed under the lock
    count = before + 1;
    countKind(e);
    if (before == 0) {
      unlogged.set(e);
    }
  }

  private void countKind(KernelException e) {
    try {
      String errno = e.errnoName();
      String type = e.getClass().getSimpleName();
      Integer ignored = kinds.merge(errno == null ? type : type + " " + errno, 1, Integer::sum);
    } catch (RuntimeException | Error lacking) {
      // memory for its kind: the failure itself is counted
    }
  }

  /** {@return how many there were by the exception's name and errno} */
  Map<String, Integer> byKind() {
    return kinds;
  }

  /** Something that was counted before has failed again. */
  void again(KernelException e) {
    last = e;
  }

  /** {@return whether {@link #log} has something to say} */
  boolean hasUnlogged() {
    return unlogged.get() != null;
  }

  /** Logs the first one, once. Not under the lock, since a log handler is foreign code. */
  void log() {
    KernelException e = unlogged.getAndSet(null);
    if (e != null && !isLogged(e)) {
      unlogged.compareAndSet(null, e); // until the log works
    }
  }

  private static boolean isLogged(KernelException e) {
    try {
      return Log.warn(
          e.getMessage()
              + ". The thread goes on with plain memory, and registration is tried again;"
              + " further failures of this map are counted, not logged.",
          null);
    } catch (RuntimeException | Error lacking) {
      return false; // memory for the message, for instance: a first use does not fail for that
    }
  }

  int count() {
    return count;
  }

  @Nullable KernelException last() {
    return last;
  }
}
