// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.tools.Output.Column;
import io.github.tasklocal.tools.Output.Kind;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import picocli.CommandLine.Help.Ansi.Style;

class OutputTest {

  private final StringWriter printed = new StringWriter();

  private Output terminal(int width) {
    return new Output(new PrintWriter(printed, true), true, false, true, () -> width);
  }

  private Output pipe() {
    return new Output(new PrintWriter(printed, true), false, false, true, () -> 20);
  }

  private static final List<Column> COLUMNS =
      List.of(
          new Column("thread", Kind.NUMBER),
          new Column("comm", Kind.TEXT),
          new Column("values", Kind.WRAPPED));

  private static final List<List<String>> ROWS =
      List.of(
          List.of("7", "a-long-worker-1", "first=1 second=2 third=3 fourth=4"),
          List.of("12345", "b", "first=1"));

  @Test
  void aTableInAPipeHasOneLineForEachRowHoweverLong() {
    assertThat(pipe().tableText(COLUMNS, ROWS))
        .isEqualTo(
            """
            thread  comm             values
                 7  a-long-worker-1  first=1 second=2 third=3 fourth=4
             12345  b                first=1
            """);
  }

  @Test
  void onATerminalTheLastColumnGoesOnBelowItself() {
    assertThat(terminal(50).tableText(COLUMNS, ROWS))
        .isEqualTo(
            """
            thread  comm             values
                 7  a-long-worker-1  first=1 second=2 third=3
                                     fourth=4
             12345  b                first=1
            """);
  }

  @Test
  void onANarrowTerminalTheLastColumnIsBelowTheOthers() {
    assertThat(terminal(30).tableText(COLUMNS, ROWS))
        .isEqualTo(
            """
            thread  comm
                values
                 7  a-long-worker-1
                first=1 second=2 third=3
                fourth=4
             12345  b
                first=1
            """);
  }

  @Test
  void whatACommandSaysIsBrokenBetweenWordsOnATerminalAndNowhereElse() {
    String said =
        "top: serves at /run/tasklocal/tasklocal.sock (rw-rw----) while it runs, as nobody else"
            + " does\nin a second line";
    terminal(80).said(said);
    pipe().said(said);
    assertThat(printed.toString())
        .isEqualTo(
            """
            top: serves at /run/tasklocal/tasklocal.sock (rw-rw----) while it runs, as
            nobody else does
            in a second line
            """
                + said
                + "\n");
  }

  @Test
  void aColumnOfTextIsCutWhereTheTerminalIsTooNarrow() {
    List<Column> columns = List.of(new Column("comm", Kind.TEXT), new Column("n", Kind.NUMBER));
    assertThat(terminal(12).tableText(columns, List.of(List.of("a-long-worker-1", "10"))))
        .isEqualTo("comm       n\na-long-\u2026  10\n");
  }

  @Test
  void noLineOfATableIsWiderThanTheTerminal() {
    Random random = new Random(6);
    for (int i = 0; i < 2000; i++) {
      int width = 40 + random.nextInt(100);
      List<List<String>> rows =
          List.of(
              List.of("" + random.nextInt(4_000_000), word(random, 16), words(random, 40)),
              List.of("" + random.nextInt(4_000_000), word(random, 16), words(random, 40)));
      assertThat(terminal(width).tableText(COLUMNS, rows).lines())
          .allMatch(line -> line.codePointCount(0, line.length()) <= width);
    }
  }

  private static String word(Random random, int most) {
    return "x".repeat(1 + random.nextInt(most));
  }

  private static String words(Random random, int most) {
    return (word(random, 60) + " ").repeat(random.nextInt(most)) + word(random, 60);
  }

  @Test
  void wideCharactersTakeTwoColumns() {
    assertThat(Output.columns("caf\u00e9")).isEqualTo(4);
    assertThat(Output.columns("\u65e5\u672c \ud55c")).isEqualTo(7);
    assertThat(Output.columns("\uff21\ud83d\ude00\ud840\udc00")).isEqualTo(6);
    Output output = terminal(80);
    assertThat(output.cut("\u65e5\u672c\u8a9e", 6)).isEqualTo("\u65e5\u672c\u8a9e");
    assertThat(output.cut("\u65e5\u672c\u8a9e", 5)).isEqualTo("\u65e5\u672c\u2026");
    assertThat(output.cut("\u65e5\u672c\u8a9e", 4)).isEqualTo("\u65e5\u2026");
    assertThat(output.cut("\u65e5\u672c\u8a9e", 0)).isEqualTo("\u2026");
    List<Column> columns = List.of(new Column("comm", Kind.TEXT), new Column("n", Kind.NUMBER));
    assertThat(output.tableText(columns, List.of(List.of("\u65e5\u672c\u8a9e", "1"))))
        .isEqualTo("comm    n\n\u65e5\u672c\u8a9e  1\n");
    String wrapped =
        terminal(40).tableText(COLUMNS, List.of(List.of("7", "c", "\u65e5".repeat(50))));
    assertThat(wrapped.lines()).hasSizeGreaterThan(2).allMatch(line -> Output.columns(line) <= 40);
    assertThat(wrapped.chars().filter(c -> c == 0x65e5)).hasSize(50);
  }

  @Test
  void nothingIsLostWhereALineIsWrapped() {
    Random random = new Random(7);
    for (int i = 0; i < 500; i++) {
      String words = words(random, 20);
      String table =
          terminal(40 + random.nextInt(60))
              .tableText(COLUMNS, List.of(List.of("7", "comm", words)));
      assertThat(table.replaceAll("\\s", "")).endsWith("7comm" + words.replace(" ", ""));
    }
  }

  @Test
  void theWidthIs80IfTheTerminalDoesNotTellIt() {
    assertThat(terminal(0).width()).isEqualTo(80);
    assertThat(terminal(132).width()).isEqualTo(132);
    assertThat(pipe().width()).isEqualTo(80);
  }

  @Test
  void thereAreColoursOnlyWhereTheyAreWanted() {
    Output coloured = new Output(new PrintWriter(printed), true, true, true, () -> 80);
    assertThat(coloured.styled("yes", Style.fg_green)).isEqualTo("\033[32myes\033[0m");
    assertThat(terminal(80).styled("yes", Style.fg_green)).isEqualTo("yes");
  }

  @Test
  void charactersThatCouldDeceiveAreEscaped() {
    assertThat(Output.printable("a\nb\tc\\d\033[2J\0"))
        .isEqualTo("a\\nb\\tc\\\\d\\u001b[2J\\u0000");
    assertThat(Output.printable("\u202egpj.exe")).isEqualTo("\\u202egpj.exe");
    assertThat(Output.printable("caf\u00e9 \u65e5\u672c")).isEqualTo("caf\u00e9 \u65e5\u672c");
    assertThat(Output.printable("a\u0301\u20dd")).isEqualTo("a\\u0301\\u20dd");
    assertThat(Output.printable("\ud800")).isEqualTo("\\ud800");
  }
}
