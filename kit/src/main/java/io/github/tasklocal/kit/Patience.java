// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * How long to wait for what should have come long before: the given time, and as many times longer
 * as this machine is slower than others.
 *
 * <p>How slow the machine is, is measured only when the time is over. So it costs nothing if
 * nothing fails, and includes the other load of the machine at that moment. The measure is the
 * start of a JVM, which is what tests wait for most.
 */
public final class Patience {

  /** For what takes milliseconds on an idle machine. */
  public static final Duration WAIT = Duration.ofMinutes(1);

  /** For a JVM that is started, does its work and ends. */
  public static final Duration CHILD = Duration.ofMinutes(5);

  /** What the start and the end of a JVM take on an idle machine of today. */
  private static final Duration JVM = Duration.ofMillis(100);

  /** How many times longer at most, or a wait would be endless on a machine that hangs. */
  private static final long MOST = 10;

  private final long began = System.nanoTime();
  private final Duration time;
  private Duration limit;
  private boolean measured;

  /**
   * Begins to wait.
   *
   * @param time how long, on a machine that is neither slow nor busy
   */
  public Patience(Duration time) {
    this.time = time;
    this.limit = time;
  }

  /** {@return whether the time is over, on this machine as it is now} */
  public boolean isOver() {
    if (waited().compareTo(limit) <= 0) {
      return false;
    }
    if (!measured) {
      measured = true;
      limit = time.multipliedBy(slowness());
    }
    return waited().compareTo(limit) > 0;
  }

  /** {@return how long this has waited so far} */
  public Duration waited() {
    return Duration.ofNanos(System.nanoTime() - began);
  }

  /** {@return how many times slower than others this machine is now, from 1 to 10} */
  private static long slowness() {
    long start = System.nanoTime();
    try {
      Process process =
          new ProcessBuilder(Jvm.java(), "-Xshare:auto", "-version")
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      boolean ended = process.waitFor(JVM.multipliedBy(MOST).toMillis(), TimeUnit.MILLISECONDS);
      if (!ended) {
        process.destroyForcibly();
      }
    } catch (IOException e) {
      return 1; // no descriptor or no memory is left, which a test may have brought about
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return 1;
    }
    long times = (System.nanoTime() - start) / JVM.toNanos();
    return Math.clamp(times, 1, MOST);
  }
}
