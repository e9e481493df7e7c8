// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import com.grack.nanojson.JsonWriter;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Native;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.util.List;
import java.util.function.IntSupplier;
import org.jline.terminal.impl.ffm.FfmTerminalProvider;
import org.jline.terminal.spi.SystemStream;
import org.jline.utils.WCWidth;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Help.Ansi.Style;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Where a command prints: in colours and cut to the width on a terminal, plain and in full
 * elsewhere. For one thread.
 */
final class Output {

  /** The width where none is known. */
  static final int DEFAULT_WIDTH = 80;

  /** Between two columns of a table. */
  private static final String GAP = "  ";

  /** The least width in which a text is wrapped. */
  private static final int LEAST_TO_WRAP = 24;

  /** The least width that a column is cut to. */
  private static final int LEAST_TO_CUT = 6;

  /**
   * A column of a table.
   *
   * @param title what stands above it
   * @param kind how its cells are laid out
   */
  record Column(String title, Kind kind) {}

  /** How the cells of a column are laid out. */
  enum Kind {
    /** To the right, never cut. */
    NUMBER,
    /** To the left; cut where a terminal is too narrow. */
    TEXT,
    /** To the left, and the last; goes on in the next line where a terminal is too narrow. */
    WRAPPED
  }

  private final PrintWriter out;
  private final boolean terminal;
  private final boolean colour;
  private final boolean unicode;
  private final IntSupplier columns;

  /**
   * Makes an output; {@link #of} makes the right one.
   *
   * @param out where everything goes
   * @param terminal whether it is a terminal
   * @param colour whether it may have colours
   * @param unicode whether it may have characters beyond ASCII
   * @param columns the terminal's width now; 0 if not known
   */
  Output(PrintWriter out, boolean terminal, boolean colour, boolean unicode, IntSupplier columns) {
    this.out = out;
    this.terminal = terminal;
    this.colour = colour;
    this.unicode = unicode;
    this.columns = columns;
  }

  /** {@return the output of a command} */
  static Output of(CommandSpec command) {
    boolean terminal = Native.isEnabled() && Native.isTerminal(Native.STDOUT);
    String noColor = System.getenv("NO_COLOR");
    boolean colour =
        terminal && (noColor == null || noColor.isEmpty()) && !"dumb".equals(System.getenv("TERM"));
    Charset charset = System.out.charset();
    return new Output(
        command.commandLine().getOut(),
        terminal,
        colour,
        charset.newEncoder().canEncode('\u2026'),
        () -> new FfmTerminalProvider().systemStreamWidth(SystemStream.Output));
  }

  /**
   * Prints what a command has to say beside its output, after its name, on standard error. A
   * terminal gets lines that end between words, since it breaks longer ones anywhere.
   *
   * @param text of characters that can be printed, or several lines of them
   */
  static void say(CommandSpec command, @Nullable String text) {
    boolean terminal = Native.isEnabled() && Native.isTerminal(Native.STDERR);
    Output output =
        new Output(
            command.commandLine().getErr(),
            terminal,
            false,
            false,
            () -> new FfmTerminalProvider().systemStreamWidth(SystemStream.Error));
    output.said(command.name() + ": " + text);
  }

  /** Prints lines of words. */
  void said(String text) {
    text.lines().forEach(line -> item("", 0, line));
    out.flush();
  }

  /** {@return whether this is a terminal} */
  boolean terminal() {
    return terminal;
  }

  /** {@return whether characters beyond ASCII can be shown, such as those that make up bars} */
  boolean unicode() {
    return unicode;
  }

  /**
   * {@return the terminal's width in characters, now; 80 if it does not tell or there is no
   * terminal}
   */
  int width() {
    int said = terminal ? columns.getAsInt() : 0;
    return said > 0 ? said : DEFAULT_WIDTH;
  }

  /**
   * {@return a text in some styles, if there are colours} The text's width cannot be told from the
   * result.
   */
  String styled(String text, Style... styles) {
    return colour && !text.isEmpty() ? Style.on(styles) + text + Style.reset.on() : text;
  }

  /** Prints a line. */
  void line(String text) {
    out.println(text);
  }

  /**
   * Prints a text after a head; its further lines begin below its beginning.
   *
   * @param head what comes first; may be styled
   * @param indent how many columns the head takes
   * @param text of characters that can be printed
   */
  void item(String head, int indent, String text) {
    StringBuilder line = new StringBuilder(head);
    if (terminal) {
      wrap(line, indent, text);
    } else {
      line.append(text);
    }
    out.println(line);
  }

  /** Prints a text that is in lines already, and adds no line end. */
  void print(String text) {
    out.print(text);
    out.flush();
  }

  /** Flushes, and fails if something cannot be written. */
  static void requireWritten(PrintWriter out) throws Failure {
    // A writer to System.out does not learn of the latter's errors.
    if (out.checkError() || System.out.checkError()) {
      throw new Failure("the output cannot be written: its reader has gone, or no room is left");
    }
  }

  /** Prints an object, list or value as JSON, on one line. */
  void json(Object value) {
    out.println(JsonWriter.string(value));
  }

  /**
   * Prints rows under titles, aligned.
   *
   * @param columns what each row has
   * @param rows the cells, of characters that can be printed
   */
  void table(List<Column> columns, List<List<String>> rows) {
    out.print(tableText(columns, rows));
    out.flush();
  }

  /** {@return what {@link #table} prints, with its line ends} */
  String tableText(List<Column> columns, List<List<String>> rows) {
    int[] widths = new int[columns.size()];
    for (int i = 0; i < widths.length; i++) {
      widths[i] = columns(columns.get(i).title());
      for (List<String> row : rows) {
        widths[i] = Math.max(widths[i], columns(row.get(i)));
      }
    }
    int last = widths.length - 1;
    boolean wraps = columns.get(last).kind() == Kind.WRAPPED;
    if (terminal) {
      fit(columns, widths, wraps ? last : last + 1);
    }
    StringBuilder text = new StringBuilder();
    List<String> titles = columns.stream().map(Column::title).toList();
    row(text, columns, widths, titles, Style.bold);
    for (List<String> row : rows) {
      row(text, columns, widths, row);
    }
    return text.toString();
  }

  /** Narrows the widest of the columns that can be cut, until all fit. */
  private void fit(List<Column> columns, int[] widths, int count) {
    int total = GAP.length() * (count - 1);
    for (int i = 0; i < count; i++) {
      total += widths[i];
    }
    while (total > width()) {
      int widest = -1;
      for (int i = 0; i < count; i++) {
        if (columns.get(i).kind() == Kind.TEXT
            && widths[i] > Math.max(LEAST_TO_CUT, columns(columns.get(i).title()))
            && (widest < 0 || widths[i] > widths[widest])) {
          widest = i;
        }
      }
      if (widest < 0) {
        return;
      }
      widths[widest]--;
      total--;
    }
  }

  private void row(
      StringBuilder text, List<Column> columns, int[] widths, List<String> cells, Style... styles) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      Kind kind = columns.get(i).kind();
      String cell = kind == Kind.WRAPPED ? cells.get(i) : cut(cells.get(i), widths[i]);
      String space = " ".repeat(Math.max(0, widths[i] - columns(cell)));
      line.append(i == 0 ? "" : GAP);
      if (kind == Kind.WRAPPED && terminal) {
        wrap(line, columns(line.toString()), cell);
      } else {
        line.append(kind == Kind.NUMBER ? space + cell : cell + space);
      }
    }
    text.append(styled(line.toString().stripTrailing(), styles)).append(System.lineSeparator());
  }

  /** Wraps a cell at its own column, or below the line if too little room is left there. */
  private void wrap(StringBuilder line, int column, String cell) {
    int width = width();
    int indent = column;
    if (width - indent < LEAST_TO_WRAP && columns(cell) > width - indent) {
      line.setLength(line.toString().stripTrailing().length());
      indent = 2 * GAP.length();
      line.append(System.lineSeparator()).append(" ".repeat(indent));
    }
    int room = Math.max(1, width - indent);
    String rest = cell;
    while (columns(rest) > room) {
      int end = Math.max(fitting(rest, room), rest.offsetByCodePoints(0, 1));
      int space = rest.lastIndexOf(' ', end);
      end = space > 0 ? space : end;
      line.append(rest, 0, end).append(System.lineSeparator()).append(" ".repeat(indent));
      rest = rest.substring(end).stripLeading();
    }
    line.append(rest);
  }

  /** {@return a text that is no longer than a width, with a mark where it was cut} */
  String cut(String text, int width) {
    if (columns(text) <= width) {
      return text;
    }
    String mark = unicode ? "\u2026" : "..";
    return text.substring(0, fitting(text, width - mark.length())) + mark;
  }

  /** {@return how many chars of a text a terminal has room for in that many columns} */
  private static int fitting(String text, int width) {
    int end = 0;
    int left = width;
    while (end < text.length()) {
      int c = text.codePointAt(end);
      left -= WCWidth.wcwidth(c);
      if (left < 0) {
        break;
      }
      end += Character.charCount(c);
    }
    return end;
  }

  /** {@return how many columns of a terminal a {@link #printable} text takes} */
  static int columns(String text) {
    return text.codePoints().map(WCWidth::wcwidth).sum();
  }

  /**
   * {@return a text with everything that could harm a terminal or deceive its reader written as in
   * a Java source} Names and comms come from processes that need not be friendly. So are marks that
   * take no room of their own.
   */
  static String printable(String text) {
    StringBuilder printable = new StringBuilder();
    text.codePoints().forEach(c -> append(printable, c));
    return printable.toString();
  }

  /** {@return a text that is {@link #printable}, in quotes, with the quotes in it escaped} */
  static String quoted(String text) {
    return '"' + printable(text).replace("\"", "\\\"") + '"';
  }

  private static void append(StringBuilder text, int c) {
    switch (c) {
      case '\n' -> text.append("\\n");
      case '\r' -> text.append("\\r");
      case '\t' -> text.append("\\t");
      case '\\' -> text.append("\\\\");
      default -> {
        switch (Character.getType(c)) {
          case Character.CONTROL,
              Character.FORMAT,
              Character.SURROGATE,
              Character.PRIVATE_USE,
              Character.UNASSIGNED,
              Character.NON_SPACING_MARK,
              Character.ENCLOSING_MARK,
              Character.LINE_SEPARATOR,
              Character.PARAGRAPH_SEPARATOR -> {
            for (char unit : Character.toChars(c)) {
              text.append("\\u%04x".formatted((int) unit));
            }
          }
          default -> text.appendCodePoint(c);
        }
      }
    }
  }
}
