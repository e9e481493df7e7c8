// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.tools.TopCounts.Row;
import io.github.tasklocal.tools.system.Namespaces;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import picocli.CommandLine.Help.Ansi.Style;

/** An interval as lines of text, for a terminal of any size or for a pipe. */
final class TopTable {

  private static final int LEAST_VALUE = 6;
  private static final int MOST_VALUE = 40;
  private static final int LEAST_BAR = 5;
  private static final int MOST_BAR = 50;
  private static final String EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589";
  private static final char FULL = '\u2588';

  /** Where the terminal is narrow, the last ones are left out first; SHARE always stays. */
  private enum Figure {
    SHARE("SHARE", 6, row -> ""),
    TIME("TIME", 7, row -> time(row.nanos())),
    THREADS("THR", 5, row -> count(row.threads())),
    WAIT("WAIT", 7, row -> time(row.waitNanos())),
    RUNS("RUNS", 6, row -> count(row.runs())),
    VOLUNTARY("VOL", 6, row -> count(row.voluntary())),
    INVOLUNTARY("INVOL", 6, row -> count(row.involuntary()));

    private final String title;
    private final int width;

    @SuppressWarnings("ImmutableEnumChecker") // the lambdas above hold nothing
    private final Function<Row, String> text;

    Figure(String title, int width, Function<Row, String> text) {
      this.title = title;
      this.width = width;
      this.text = text;
    }
  }

  private final Output output;

  private final List<KeyOption> keys;

  /** The keys' names, as they can be printed. */
  private final String title;

  TopTable(Output output, List<KeyOption> keys) {
    this.output = output;
    this.keys = keys;
    this.title = KeyOption.title(keys);
  }

  /**
   * {@return an interval in full, for a pipe or a file}
   *
   * @param interval what to show
   * @param shown its rows that are shown, in their order
   */
  String plain(TopInterval interval, List<Row> shown) {
    List<Output.Column> columns =
        List.of(
            new Output.Column(title, Output.Kind.TEXT),
            number("share"),
            number("time s"),
            number("threads"),
            number("wait s"),
            number("runs"),
            number("voluntary"),
            number("involuntary"));
    List<List<String>> rows = new ArrayList<>();
    for (Row row : shown) {
      rows.add(
          List.of(
              row.value().text(),
              percent(interval.share(row)),
              seconds(row.nanos()),
              String.valueOf(row.threads()),
              seconds(row.waitNanos()),
              String.valueOf(row.runs()),
              String.valueOf(row.voluntary()),
              String.valueOf(row.involuntary())));
    }
    StringBuilder text = new StringBuilder(output.tableText(columns, rows));
    notes(interval, shown.size()).forEach(note -> text.append(note).append(System.lineSeparator()));
    return text.toString();
  }

  private static Output.Column number(String title) {
    return new Output.Column(title, Output.Kind.NUMBER);
  }

  /**
   * {@return lines that fit a screen}
   *
   * @param interval what to show
   * @param rows its rows that are shown, in their order
   * @param width characters of a line
   * @param height lines, at most
   */
  List<String> screen(TopInterval interval, List<Row> rows, int width, int height) {
    List<String> notes = notes(interval, rows.size());
    List<String> lines = new ArrayList<>();
    lines.add(
        output.cut(
            String.format(
                Locale.ROOT,
                "%.2f of %d processors in %s",
                (double) interval.total() / interval.nanos(),
                interval.processors(),
                time(interval.nanos())),
            width));
    int room = Math.max(1, height - lines.size() - notes.size() - 1);
    List<Row> shown = rows;
    if (shown.size() > room) {
      List<Row> rest = shown.subList(room - 1, shown.size());
      Row others =
          rest.stream()
              .reduce(
                  Row.none(new SeenValue("(" + rest.size() + " more values)", null, false, -1)),
                  Row::plus);
      shown = new ArrayList<>(shown.subList(0, room - 1));
      shown.add(others);
    }
    lines.addAll(table(interval, shown, width));
    for (String note : notes) {
      lines.add(output.styled(output.cut(note, width), Style.faint));
    }
    return lines.size() > height ? lines.subList(0, height) : lines;
  }

  private List<String> table(TopInterval interval, List<Row> rows, int width) {
    int value = LEAST_VALUE;
    for (Row row : rows) {
      value = Math.max(value, Output.columns(row.value().text()));
    }
    value = Math.min(Math.max(value, Output.columns(title)), MOST_VALUE);

    List<Figure> figures = new ArrayList<>(List.of(Figure.values()));
    while (figures.size() > 1 && LEAST_VALUE + Math.min(value, 12) + widths(figures) > width) {
      figures.removeLast();
    }
    int left = width - widths(figures);
    int bar = Math.clamp(left - value - 1, 0, MOST_BAR);
    if (bar < LEAST_BAR) {
      bar = left - LEAST_BAR - 1 >= Math.min(value, 12) ? LEAST_BAR : 0;
      value = Math.clamp(left - bar - (bar > 0 ? 1 : 0), 1, value);
    }

    List<String> lines = new ArrayList<>();
    StringBuilder titles = new StringBuilder(pad(output.cut(title, value), value));
    titles.append(bar > 0 ? " ".repeat(bar + 1) : "");
    figures.forEach(figure -> titles.append(' ').append(padLeft(figure.title, figure.width)));
    lines.add(output.styled(titles.toString(), Style.bold));
    for (Row row : rows) {
      StringBuilder line = new StringBuilder(pad(output.cut(row.value().text(), value), value));
      if (bar > 0) {
        line.append(' ').append(output.styled(bar(interval.share(row), bar), colour(row)));
      }
      for (Figure figure : figures) {
        String text =
            figure == Figure.SHARE ? percent(interval.share(row)) : figure.text.apply(row);
        line.append(' ').append(padLeft(text, figure.width));
      }
      lines.add(line.toString());
    }
    return lines;
  }

  private static Style colour(Row row) {
    return row.value().isValue() ? Style.fg_green : Style.fg_blue;
  }

  private static int widths(List<Figure> figures) {
    return figures.stream().mapToInt(figure -> figure.width + 1).sum();
  }

  private String bar(double share, int width) {
    int eighths = (int) Math.round(share * width * 8);
    if (!output.unicode()) {
      return pad("#".repeat(eighths / 8), width);
    }
    String bar = String.valueOf(FULL).repeat(eighths / 8);
    return pad(eighths % 8 == 0 ? bar : bar + EIGHTHS.charAt(eighths % 8), width);
  }

  /** {@return what else a reader should know: whether the sums are right, and what this costs} */
  private List<String> notes(TopInterval interval, int shown) {
    List<String> notes = new ArrayList<>();
    int hidden = interval.rows().size() - shown;
    if (hidden > 0) {
      notes.add(hidden + (hidden == 1 ? " value does" : " values do") + " not match --filter");
    }
    if (interval.noKey()) {
      notes.add(
          (keys.size() == 1
                  ? "no thread that ran has the key \"" + title + "\""
                  : "no thread that ran has the keys " + title)
              + ": see the command keys");
    }
    notes.addAll(interval.textHints(keys));
    if (interval.processes() == 0) {
      notes.add(
          interval.rows().isEmpty()
              ? "no thread that has registered with the map has run"
                  + (Namespaces.inFirst("pid") ? "" : "; " + Namespaces.OTHERS_UNSEEN)
              : "no process lived through the interval");
      if (interval.rows().isEmpty()) {
        notes.add(
            "start applications with -Dtasklocal.map; --mode 666 lets in those of other users");
      }
    } else {
      notes.add(
          String.format(
              Locale.ROOT,
              "%s; %d %s, %d samples",
              comparison(interval),
              interval.processes(),
              interval.processes() == 1 ? "process" : "processes",
              interval.samples()));
    }
    notes.add(
        String.format(
            Locale.ROOT,
            "cost: %s of the processors, %.0f ns a switch, %.0f ns a sample",
            percent(interval.costShare()),
            interval.cost().each(TopCounts.Program.SWITCH),
            interval.cost().each(TopCounts.Program.SAMPLE)));
    if (interval.noRoom() > 0) {
      notes.add(
          String.format(
              Locale.ROOT,
              "too many values: %s sightings of new ones went into (other values)",
              count(interval.noRoom())));
    }
    if (interval.skipped() > 0) {
      notes.add(
          String.format(
              Locale.ROOT,
              "%s sightings skipped: the process was exchanging the values of virtual threads",
              count(interval.skipped())));
    }
    return notes;
  }

  private static String comparison(TopInterval interval) {
    if (interval.compared() == 0) {
      return "/proc shows none of the processes, so there is nothing to compare with";
    }
    return String.format(
            Locale.ROOT,
            "counted %s of /proc's %s, %s",
            time(interval.counted()),
            time(interval.proc()),
            interval.proc() == 0
                ? "too little to compare"
                : percent((double) interval.counted() / interval.proc()))
        + (interval.compared() < interval.processes()
            ? " (of the " + interval.compared() + " that it shows)"
            : "");
  }

  // ---- Numbers in few characters ----

  static String percent(double share) {
    return String.format(Locale.ROOT, share > 0 && share < 0.01 ? "%.2f%%" : "%.1f%%", 100 * share);
  }

  private static String seconds(long nanos) {
    return String.format(Locale.ROOT, "%.6f", nanos / 1e9);
  }

  /**
   * {@return a time in at most 7 characters, if it is shorter than ten years} The borders are where
   * rounding gives one digit more.
   */
  static String time(long nanos) {
    if (nanos < 1000) {
      return nanos == 0 ? "0" : nanos + " ns";
    } else if (nanos < 1_000_000) {
      return String.format(Locale.ROOT, "%.0f us", nanos / 1e3);
    } else if (nanos < 1_000_000_000) {
      return String.format(Locale.ROOT, nanos < 99_950_000 ? "%.1f ms" : "%.0f ms", nanos / 1e6);
    }
    double seconds = nanos / 1e9;
    if (nanos < 999_950_000_000L) {
      return String.format(Locale.ROOT, nanos < 99_995_000_000L ? "%.2f s" : "%.1f s", seconds);
    } else if (nanos < 99_999_500_000_000L) {
      return String.format(Locale.ROOT, "%.0f s", seconds);
    }
    return String.format(Locale.ROOT, "%.0f h", seconds / 3600);
  }

  /** {@return a count below ten billion, in 5 characters at most} */
  static String count(long count) {
    if (count < 10_000) {
      return String.valueOf(count);
    } else if (count < 9_999_500) {
      return String.format(Locale.ROOT, count < 99_950 ? "%.1fk" : "%.0fk", count / 1e3);
    }
    return String.format(Locale.ROOT, count < 99_950_000 ? "%.1fM" : "%.0fM", count / 1e6);
  }

  private static String pad(String text, int width) {
    return text + " ".repeat(Math.max(0, width - Output.columns(text)));
  }

  private static String padLeft(String text, int width) {
    return " ".repeat(Math.max(0, width - Output.columns(text))) + text;
  }
}
