// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kit.Await;
import java.util.function.LongSupplier;

/** Waits until the library's keeper has had its chance to do what it must not do. */
public final class KeeperRounds {

  private KeeperRounds() {}

  /** Waits until the keeper has begun a round after this call, and finished it. */
  public static void pass() {
    pass(ThreadPages::keeperRounds);
  }

  /** As {@link #pass}, for the keeper of another copy of the library. */
  public static void pass(LongSupplier rounds) {
    long before = rounds.getAsLong();
    // The first may have begun before this call.
    long ignored =
        Await.until("two rounds of the keeper", rounds::getAsLong, now -> now >= before + 2);
  }
}
