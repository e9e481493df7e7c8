// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import org.jspecify.annotations.Nullable;

/**
 * How a test ended.
 *
 * @param test the test
 * @param outcome how it ended
 * @param nanos how long it took
 * @param message why it failed or was skipped; empty if it passed
 * @param failure what it threw, if it failed
 * @param log what the library logged meanwhile
 */
record Result(
    TestCase test,
    Outcome outcome,
    long nanos,
    String message,
    @Nullable Throwable failure,
    String log) {

  /** The three ends of a test. */
  enum Outcome {
    /** All was as the name says. */
    PASSED,
    /** Something was not. */
    FAILED,
    /** The machine lacks what it needs. */
    SKIPPED
  }
}
