// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import java.util.List;

/**
 * A row of the table: what is measured together, in a JVM of its own.
 *
 * @param name short, without spaces
 * @param title what happens, in a line
 * @param options of the JVM
 * @param body measures
 */
record SoakRow(String name, String title, List<String> options, Body body) {

  /** What a row does. */
  @FunctionalInterface
  interface Body {
    /**
     * Measures, and throws what prevents it.
     *
     * @param run takes the figures
     */
    void measure(SoakRun run) throws Exception;
  }
}
