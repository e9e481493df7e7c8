// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.memory.ThreadState.Native;
import org.jspecify.annotations.Nullable;

/**
 * Which threads leave their pages for others, at their next use of a key: those with pages that BPF
 * must not be given, and those with pages that the serving side has not given. Under the registry's
 * lock.
 */
final class Moves {

  private final Served served;
  private final SharedData data;

  Moves(Served served, SharedData data) {
    this.served = served;
    this.data = data;
  }

  /** {@return whether a thread has to move, now that it has come or nothing holds its page} */
  boolean hasTo(ThreadRecord record) {
    return record.place.isUnfit()
        || (served.connection.grant() != 0
            && !served.isPresent(record.place.address())
            && served.connection.answers()
            && whyItStays(record) == null
            && !isAnothers(record)
            && !isShown(record)
            && served.hasOne());
  }

  /** {@return what keeps a thread in its page, or null} */
  @Nullable String whyItStays(ThreadRecord record) {
    Place place = record.place;
    if (place.isUnfit()) {
      return null;
    }
    if (place.isHeld()) {
      return record.state() instanceof Native
          ? "its page is held by a Bound, a segment or an access under way"
          : "its page is held by a Bound, or by a segment for other threads";
    }
    if (place.isTold() && record.state() instanceof Native) {
      return "its task still says where its page is, as for OpenTelemetry's thread context";
    }
    if (place.isSliced()) {
      return "it has had a segment of its page, which it may still use";
    }
    // BPF programs remember where a part begins.
    return data.packed() && place.isGiven() ? "its part of a page is known to BPF programs" : null;
  }

  /**
   * {@return whether it is a thread of Java's, met by another copy of the library, which may be
   * between a look at its page's address and the access there} It moves itself.
   */
  private static boolean isAnothers(ThreadRecord record) {
    Thread java = record.state() instanceof Native ? record.place.thread() : null;
    return java != null && java != Thread.currentThread();
  }

  /** {@return whether values of a virtual thread lie in the page at this moment} */
  private static boolean isShown(ThreadRecord record) {
    ThreadPage page = record.lastHold();
    Carrier carrier = page == null ? null : page.carrier;
    return carrier == null ? record.place.carries() : carrier.isShown();
  }
}
