// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import org.jspecify.annotations.Nullable;

/** How threads get their entries in a map. Under the registry's lock. */
sealed interface Way permits UserPointers, Slots {

  /** What comes of an attempt. */
  enum Outcome {
    /** The thread has its entry. */
    SET,
    /** The thread has ended. */
    ENDED,
    /** The thread has to come itself, at its next use of a key. */
    WAITS
  }

  /**
   * Gives a thread its entry.
   *
   * @throws KernelException if that is refused
   */
  Outcome put(Entry entry);

  /**
   * Takes a thread's entry out, if it has one of ours.
   *
   * @throws KernelException if that is refused
   */
  void remove(Entry entry);

  /** {@return what has become of an entry that somebody has changed; null if nobody has} */
  @Nullable KernelException change(Entry entry);

  /** {@return whether a {@link #change} is that the thread has none any more} */
  static boolean isGone(KernelException change) {
    return change instanceof NotFoundException;
  }

  /** Gives back what the process has of the map. */
  void close();
}
