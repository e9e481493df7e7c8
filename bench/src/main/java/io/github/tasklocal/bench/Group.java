// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.util.List;
import java.util.stream.Stream;

/**
 * What is measured together.
 *
 * @param name as {@code --filter} takes it
 * @param title its heading in the table
 * @param quickSeconds roughly how long the quick run takes
 * @param fullSeconds the same of the full run
 * @param body measures
 */
record Group(String name, String title, int quickSeconds, int fullSeconds, Body body) {

  /** Measures; whatever it throws is shown, and the other groups go on. */
  @FunctionalInterface
  interface Body {
    List<Row> rows(boolean quick) throws Exception;
  }

  /** {@return this group, in which more is measured at the end} */
  Group and(int moreQuickSeconds, int moreFullSeconds, Body more) {
    return new Group(
        name,
        title,
        quickSeconds + moreQuickSeconds,
        fullSeconds + moreFullSeconds,
        quick -> Stream.concat(body.rows(quick).stream(), more.rows(quick).stream()).toList());
  }

  int seconds(boolean quick) {
    return quick ? quickSeconds : fullSeconds;
  }
}
