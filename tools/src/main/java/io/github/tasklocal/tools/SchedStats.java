// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonWriter;
import java.lang.foreign.MemorySegment;
import java.util.Locale;

/**
 * What {@code scx_tasklocal} has counted since it was loaded.
 *
 * @param dispatched how often a task was given a processor, by its class, normal first
 * @param preemptions how often a task was to leave its processor for one of a higher class
 * @param rescues how often a task was given a processor after higher ones had been served for long
 * @param hints how often a thread was found to have a hint
 */
@SuppressWarnings("ArrayRecordComponent") // compared by nobody
record SchedStats(long[] dispatched, long preemptions, long rescues, long hints) {

  static final int CLASSES = 4;

  private static final String COLUMNS = "%10s %10s %10s %10s %12s %10s %10s";

  /** {@return the line above the figures} */
  static String header() {
    return String.format(
        Locale.ROOT,
        COLUMNS,
        "normal",
        "class 1",
        "class 2",
        "class 3",
        "preemptions",
        "rescues",
        "hints");
  }

  /** {@return what the program's {@code stats} say at this moment} */
  static SchedStats read(MemorySegment stats) {
    long[] dispatched = new long[CLASSES];
    for (int i = 0; i < CLASSES; i++) {
      dispatched[i] = stats.get(JAVA_LONG, 8L * i);
    }
    return new SchedStats(
        dispatched,
        stats.get(JAVA_LONG, 8L * CLASSES),
        stats.get(JAVA_LONG, 8L * CLASSES + 8),
        stats.get(JAVA_LONG, 8L * CLASSES + 16));
  }

  /** {@return the growth since other figures, in a second, as a line below the header} */
  String rates(SchedStats before, double seconds) {
    Object[] rates = new Object[CLASSES + 3];
    for (int i = 0; i < CLASSES; i++) {
      rates[i] = rate(dispatched[i] - before.dispatched[i], seconds);
    }
    rates[CLASSES] = rate(preemptions - before.preemptions, seconds);
    rates[CLASSES + 1] = rate(rescues - before.rescues, seconds);
    rates[CLASSES + 2] = rate(hints - before.hints, seconds);
    return String.format(Locale.ROOT, COLUMNS, rates);
  }

  /** {@return the growth since other figures, as a JSON object on a line} */
  String json(SchedStats before, double seconds) {
    JsonArray turns = new JsonArray();
    for (int i = 0; i < CLASSES; i++) {
      turns.add(dispatched[i] - before.dispatched[i]);
    }
    return JsonWriter.string()
        .object()
        .value("seconds", seconds)
        .array("dispatched", turns)
        .value("preemptions", preemptions - before.preemptions)
        .value("rescues", rescues - before.rescues)
        .value("hints", hints - before.hints)
        .end()
        .done();
  }

  private static String rate(long count, double seconds) {
    return String.format(Locale.ROOT, "%,.0f", count / seconds);
  }

  /** {@return all of it in one sentence} */
  String total() {
    return String.format(
        Locale.ROOT,
        "dispatched %,d normal, %,d in class 1, %,d in class 2, %,d in class 3; %,d preemptions,"
            + " %,d rescues, %,d hints",
        dispatched[0],
        dispatched[1],
        dispatched[2],
        dispatched[3],
        preemptions,
        rescues,
        hints);
  }
}
