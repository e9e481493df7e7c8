// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The paths of a {@link Watch}, and what is said while there is nothing at any of them. */
final class Absence {

  /** How long it is taken for granted that a map will come. */
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** How often it is looked whether a map can come. */
  private static final long ASK_NANOS = TimeUnit.SECONDS.toNanos(1);

  final PinFile[] places;

  private long asked;

  /** Whether nothing is there, and since when; and whether that was said. */
  private boolean absent;

  private long absentSince;
  private boolean saysThatItWaits;

  /** Whether it has to be said that it waits. */
  private volatile boolean isLate;

  Absence(List<Path> paths) {
    places = new PinFile[paths.size()];
    for (int i = 0; i < places.length; i++) {
      places[i] = new PinFile(paths.get(i));
    }
  }

  /** There is something. */
  void end() {
    absent = false;
  }

  /** {@return whether it is time to look for what a map cannot come for} There is nothing. */
  boolean goesOn(boolean anyProblem) {
    long now = System.nanoTime();
    boolean isFirst = !absent;
    boolean isTime = absent && !saysThatItWaits && now - absentSince >= PATIENCE_NANOS;
    boolean asks = isFirst || isTime || anyProblem || now - asked >= ASK_NANOS;
    if (isFirst) {
      absent = true;
      absentSince = now;
      saysThatItWaits = false;
    }
    asked = asks ? now : asked;
    saysThatItWaits |= isTime;
    isLate |= isTime;
    return asks;
  }

  /** {@return why nothing can come, or null if something may come to one of the paths} */
  @Nullable KernelException wrongPlace() {
    KernelException wrong = null;
    for (PinFile each : places) {
      wrong = each.wrongPlace();
      if (wrong == null) {
        return null;
      }
    }
    isLate = false; // this is said instead
    return wrong;
  }

  boolean isLate() {
    return isLate;
  }

  /** {@return what has to be said of it now, or null} */
  @Nullable String late() {
    if (!isLate) {
      return null;
    }
    isLate = false;
    StringBuilder all = new StringBuilder();
    for (PinFile each : places) {
      all.append(all.isEmpty() ? "" : " ").append(each.waits());
    }
    return all.toString();
  }

  @Override
  public String toString() {
    StringBuilder all = new StringBuilder();
    for (PinFile each : places) {
      all.append(all.isEmpty() ? "" : " or ").append(each);
    }
    return all.toString();
  }
}
