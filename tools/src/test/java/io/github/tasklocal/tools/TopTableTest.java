// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.tools.TopCounts.Cost;
import io.github.tasklocal.tools.TopCounts.Row;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TopTableTest {

  private static final KeyOption KEY = new KeyOption("tenant", ValueType.STRING);

  private static TopTable table(boolean colour, boolean unicode, int width) {
    return new TopTable(
        new Output(new PrintWriter(new StringWriter()), true, colour, unicode, () -> width),
        List.of(KEY));
  }

  private static Row row(String value, long nanos) {
    return new Row(new SeenValue(value, value, true, -1), nanos, 1_234_567, 98_765, 4321, 5, 3, 17);
  }

  private static TopInterval interval(List<Row> rows) {
    return new TopInterval(
        Instant.EPOCH,
        1_000_000_000,
        4,
        rows,
        1_990_000_000,
        2_000_000_000,
        2,
        2,
        new Cost(new long[] {100, 0, 0, 10, 0}, new double[] {25_000, 0, 0, 3000, 0}),
        0,
        0);
  }

  private static List<Row> rows(int count) {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      rows.add(row("a-tenant-with-a-rather-long-name-" + i, 1_000_000_000L / (i + 1)));
    }
    return rows;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 10, 20, 30, 40, 60, 79, 80, 100, 120, 200, 500})
  void noLineIsLongerThanTheTerminalIsWide(int width) {
    for (int height : new int[] {1, 2, 5, 24, 1000}) {
      List<String> lines =
          table(false, true, width).screen(interval(rows(60)), rows(60), width, height);
      assertThat(lines).hasSizeLessThanOrEqualTo(height);
      if (width >= 20) {
        assertThat(lines).allMatch(line -> line.codePointCount(0, line.length()) <= width);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {20, 40, 60, 80, 120})
  void wideValuesFitToo(int width) {
    List<Row> rows = List.of(row("\u65e5\u672c\u8a9e".repeat(9), 7), row("plain", 5));
    List<String> lines = table(false, true, width).screen(interval(rows), rows, width, 24);
    assertThat(lines).allMatch(line -> Output.columns(line) <= width);
    assertThat(Output.columns(lines.get(1)))
        .isEqualTo(Output.columns(lines.get(2)))
        .isEqualTo(Output.columns(lines.get(3)));
  }

  @Test
  void theKeysNameCannotHarmATerminal() {
    KeyOption key = new KeyOption("a\u001b[2Jb", null);
    Output out = new Output(new PrintWriter(new StringWriter()), true, false, true, () -> 80);
    List<Row> rows = List.of(Row.none(SeenValue.NO_KEY_VALUE));
    TopTable table = new TopTable(out, List.of(key));
    assertThat(
            String.join("", table.screen(interval(rows), rows, 80, 24))
                + table.plain(interval(rows), rows))
        .contains("a\\u001b[2Jb")
        .doesNotContain("\u001b");
  }

  @Test
  void aTerminalOf80ColumnsHasRoomForAllFigures() {
    List<String> lines = table(false, true, 80).screen(interval(rows(3)), rows(3), 80, 24);
    assertThat(lines.get(1)).contains("tenant", "SHARE", "TIME", "THR", "WAIT", "RUNS", "INVOL");
    assertThat(lines.get(2)).contains("54.5%", "1.00 s", "98.8k", "1.2 ms", "\u2588");
    assertThat(lines.get(5))
        .isEqualTo("counted 1.99 s of /proc's 2.00 s, 99.5%; 2 processes, 51 samples");
    assertThat(lines.get(6))
        .isEqualTo("cost: 0.00% of the processors, 250 ns a switch, 300 ns a sample");
  }

  @Test
  void valuesThatFindNoRoomShareOneLine() {
    List<String> lines = table(false, true, 80).screen(interval(rows(60)), rows(60), 80, 10);
    assertThat(lines).hasSize(10);
    assertThat(lines.get(7)).startsWith("(55 more values)");
  }

  @Test
  void withoutColourThereIsNoEscapeAndWithoutUnicodeNoBlock() {
    String plain =
        String.join("", table(false, false, 80).screen(interval(rows(9)), rows(9), 80, 24));
    assertThat(plain).isPrintable().isASCII().contains(" #");
    assertThat(String.join("", table(true, true, 80).screen(interval(rows(9)), rows(9), 80, 24)))
        .contains("\u001b[");
  }

  @Test
  void aPipeHasAllRowsInFull() {
    Output pipe = new Output(new PrintWriter(new StringWriter()), false, false, true, () -> 0);
    String text = new TopTable(pipe, List.of(KEY)).plain(interval(rows(60)), rows(60));
    assertThat(text).contains("a-tenant-with-a-rather-long-name-59").contains("0.016667");
    assertThat(text.lines()).hasSize(63);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "999, 999 ns",
    "1500, 2 us",
    "999999, 1000 us",
    "1000000, 1.0 ms",
    "123456789, 123 ms",
    "1000000000, 1.00 s",
    "123456789012, 123.5 s",
    "9876543210123, 9877 s",
    "99949999, 99.9 ms",
    "99950000, 100 ms",
    "99994999999, 99.99 s",
    "99995000000, 100.0 s",
    "999949999999, 999.9 s",
    "999950000000, 1000 s",
    "99999499999999, 99999 s",
    "99999500000000, 28 h"
  })
  void timesAreShort(long nanos, String text) {
    assertThat(TopTable.time(nanos)).isEqualTo(text);
  }

  /** Around each power of ten, and half a unit of each digit below it, to ten years. */
  @Test
  void noTimeOrCountIsLongerThanItsColumn() {
    for (long power = 1; power <= 100_000_000_000_000_000L; power *= 10) {
      for (long digit = 1; digit <= power; digit *= 10) {
        for (long near = -2; near <= 2; near++) {
          for (long half = 0; half <= 1; half++) {
            long value = Math.max(0, power - half * digit / 2 + near);
            assertThat(TopTable.time(value)).as("%d ns", value).hasSizeLessThanOrEqualTo(7);
            if (value < 9_999_500_000L) {
              assertThat(TopTable.count(value)).as("%d", value).hasSizeLessThanOrEqualTo(5);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "9999, 9999",
    "12345, 12.3k",
    "99949, 99.9k",
    "99950, 100k",
    "1234567, 1235k",
    "9999499, 9999k",
    "9999500, 10.0M",
    "12345678, 12.3M",
    "99950000, 100M",
    "9999499999, 9999M"
  })
  void countsAreShort(long count, String text) {
    assertThat(TopTable.count(count)).isEqualTo(text).hasSizeLessThan(6);
  }
}
