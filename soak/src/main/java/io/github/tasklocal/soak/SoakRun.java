// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.selftest.Fixture;
import io.github.tasklocal.soak.Figure.Relation;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;

/** A row's resources, and where it reports what it has measured. */
final class SoakRun implements AutoCloseable {

  /** The beginning of a line that tells how far the row is. */
  static final String PROGRESS = "progress\t";

  /** The beginning of a line that has a figure. */
  static final String FIGURE = "figure\t";

  private final Settings settings;
  private final Bpffs bpffs;
  private final Deque<Fixture> open = new ArrayDeque<>();
  private long shown = System.nanoTime();

  /**
   * What is the same for all rows.
   *
   * @param quick whether it is to be done in minutes
   * @param seed the seed of random numbers
   */
  record Settings(boolean quick, long seed) {}

  SoakRun(Settings settings, Bpffs bpffs) {
    this.settings = settings;
    this.bpffs = bpffs;
  }

  /** {@return the number for this run, a full or a quick one} */
  int times(int full, int quick) {
    return settings.quick() ? quick : full;
  }

  /** {@return random numbers that are the same for the same seed} */
  Random random() {
    return new Random(settings.seed());
  }

  /** {@return the resources for one wire, open until the row's end} */
  Fixture on(Wire wire) {
    Fixture fixture = new Fixture(wire, new Fixture.Settings(1, settings.seed()), bpffs);
    open.push(fixture);
    return fixture;
  }

  /** Reports how far the row is, at most every 0.2 seconds. */
  void progress(long done, long of, String what) {
    long now = System.nanoTime();
    if (now - shown > 200_000_000) {
      shown = now;
      System.out.println("%s%,d of %,d %s".formatted(PROGRESS, done, of, what));
    }
  }

  /** A count without a limit. */
  void any(String figure, long count) {
    tell(new Figure(figure, (double) count, "", Relation.ANY, 0));
  }

  /** An amount without a limit. */
  void any(String figure, double value, String unit) {
    tell(new Figure(figure, value, unit, Relation.ANY, 0));
  }

  /** An amount with a limit. */
  void atMost(double limit, String figure, double value, String unit) {
    tell(new Figure(figure, value, unit, Relation.AT_MOST, limit));
  }

  /** A count that has to be exact. */
  void equal(long limit, String figure, long count) {
    tell(new Figure(figure, (double) count, "", Relation.EQUAL, (double) limit));
  }

  /** A count that must not be 0. */
  void some(String figure, long count) {
    tell(new Figure(figure, (double) count, "", Relation.MORE_THAN, 0));
  }

  private static void tell(Figure figure) {
    System.out.println(FIGURE + figure.line());
  }

  @Override
  public void close() {
    while (!open.isEmpty()) {
      open.pop().close();
    }
  }
}
