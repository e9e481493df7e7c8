// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.tools.TopCounts.Row;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which rows of an interval are shown, and in which order. */
final class TopView {

  /** By what rows are sorted, the largest first. */
  enum Order {
    TIME(Row::nanos),
    WAIT(Row::waitNanos),
    RUNS(Row::runs);

    @SuppressWarnings("ImmutableEnumChecker") // the references above hold nothing
    private final ToLongFunction<Row> figure;

    Order(ToLongFunction<Row> figure) {
      this.figure = figure;
    }

    /** {@return the order that a key on the keyboard chooses, by its first letter, or null} */
    static @Nullable Order of(int typed) {
      for (Order order : values()) {
        if (Character.toLowerCase(typed) == order.toString().charAt(0)) {
          return order;
        }
      }
      return null;
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  @Option(
      names = "--sort",
      paramLabel = "FIGURE",
      defaultValue = "time",
      description =
          "${COMPLETION-CANDIDATES}: what comes first (${DEFAULT-VALUE}); on a terminal, t, w and r"
              + " change it.")
  private Order order = Order.TIME;

  @Option(
      names = "--filter",
      paramLabel = "GLOB",
      description =
          "Only rows with a value that matches, such as 'ac*'; strings without their quotes. Several"
              + " have to match all. Shares stay those of all rows.")
  private List<String> filters = List.of();

  TopView() {}

  /** Sorts by something else from now on, if that is what a key on the keyboard means. */
  void typed(int key) {
    Order chosen = Order.of(key);
    order = chosen == null ? order : chosen;
  }

  /** {@return the rows that are shown, in their order} */
  List<Row> rows(TopInterval interval) {
    List<Pattern> patterns = filters.stream().map(TopView::pattern).toList();
    // Those that are equal stay in the interval's order.
    return interval.rows().stream()
        .filter(row -> patterns.stream().allMatch(pattern -> matches(row.value(), pattern)))
        .sorted(Comparator.comparingLong(order.figure).reversed())
        .toList();
  }

  private static boolean matches(SeenValue value, Pattern pattern) {
    return value.parts().isEmpty()
        ? pattern.matcher(value.label()).matches() || pattern.matcher(value.text()).matches()
        : value.parts().stream().anyMatch(part -> matches(part, pattern));
  }

  /** {@return a pattern with * for any text and ? for any character} */
  private static Pattern pattern(String glob) {
    StringBuilder pattern = new StringBuilder();
    glob.codePoints()
        .forEach(
            c ->
                pattern.append(
                    c == '*' ? ".*" : c == '?' ? "." : Pattern.quote(Character.toString(c))));
    return Pattern.compile(pattern.toString(), Pattern.DOTALL);
  }
}
