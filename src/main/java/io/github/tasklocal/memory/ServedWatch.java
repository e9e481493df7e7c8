// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The serving side that a {@link Watch} follows. */
final class ServedWatch {

  /** How long after a refusal it is tried again at the same socket. */
  private static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final SocketMaps sockets;

  private volatile @Nullable OpenMap map;

  /** A socket at which it was refused, and when. */
  private PinFile.@Nullable Socket refused;

  private long refusedAt;

  ServedWatch(SocketMaps sockets) {
    this.sockets = sockets;
  }

  /** {@return what was opened, also while the serving side is away: its entries stay} */
  @Nullable OpenMap map() {
    return map;
  }

  /** It was closed. */
  void leave() {
    map = null;
  }

  /**
   * {@return what the serving side has, or null if it has just been refused there}
   *
   * @throws KernelException if it is refused
   */
  @Nullable OpenMap connect(PinFile at, PinFile.Socket found) {
    if (found.equals(refused) && System.nanoTime() - refusedAt < AGAIN_NANOS) {
      return null;
    }
    OpenMap last = map;
    refused = found;
    try {
      if (last == null) {
        last = sockets.open(at.pin);
        map = last;
      } else {
        sockets.connectAgain(last);
      }
      refused = null;
      return last;
    } finally {
      refusedAt = System.nanoTime(); // from its end on, which may have come late
    }
  }
}
