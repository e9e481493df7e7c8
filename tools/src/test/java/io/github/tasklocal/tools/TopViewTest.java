// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonArray;
import io.github.tasklocal.tools.TopCounts.Cost;
import io.github.tasklocal.tools.TopCounts.Row;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class TopViewTest {

  private static final SeenValue ACME = string("acme");
  private static final SeenValue ACTION = string("action");
  private static final SeenValue QUOTED = string("(no entry)");

  private static final TopInterval INTERVAL =
      new TopInterval(
          Instant.EPOCH,
          1_000_000_000,
          2,
          List.of(
              row(ACME, 30, 1, 7),
              row(SeenValue.NO_ENTRY_VALUE, 20, 5, 3),
              row(ACTION, 10, 3, 9),
              row(QUOTED, 5, 2, 1)),
          0,
          0,
          0,
          0,
          new Cost(new long[5], new double[5]),
          0,
          0);

  private static SeenValue string(String text) {
    return new SeenValue(Output.quoted(text), text, true, -1);
  }

  private static Row row(SeenValue value, long nanos, long wait, long runs) {
    return new Row(value, nanos, wait, runs, 0, 0, 1, 1);
  }

  private static TopView view(String... arguments) {
    TopView view = new TopView();
    CommandLine.populateCommand(view, arguments);
    return view;
  }

  private static List<SeenValue> shown(TopView view) {
    return view.rows(INTERVAL).stream().map(Row::value).toList();
  }

  @Test
  void rowsAreSortedByTimeUnlessTheUserWantsAnother() {
    assertThat(shown(view())).containsExactly(ACME, SeenValue.NO_ENTRY_VALUE, ACTION, QUOTED);
    assertThat(shown(view("--sort", "wait")))
        .containsExactly(SeenValue.NO_ENTRY_VALUE, ACTION, QUOTED, ACME);
    TopView typed = view("--sort", "wait");
    typed.typed('R');
    typed.typed('x');
    assertThat(shown(typed)).containsExactly(ACTION, ACME, SeenValue.NO_ENTRY_VALUE, QUOTED);
  }

  @Test
  void aFilterMatchesTheWholeValueWithoutItsQuotes() {
    assertThat(shown(view("--filter", "acme"))).containsExactly(ACME);
    assertThat(shown(view("--filter", "ac*"))).containsExactly(ACME, ACTION);
    assertThat(shown(view("--filter", "ac*", "--filter", "*n"))).containsExactly(ACTION);
    assertThat(shown(view("--filter", "(no entry)"))).containsExactly(SeenValue.NO_ENTRY_VALUE);
    assertThat(shown(view("--filter", "cme"))).isEmpty();
  }

  @Test
  void ofSeveralKeysAnyValueMayMatch() {
    SeenValue pair = new SeenValue("", new JsonArray(), true, -1, List.of(ACME, string("/orders")));
    TopInterval interval =
        new TopInterval(
            Instant.EPOCH,
            1,
            1,
            List.of(row(pair, 1, 1, 1)),
            0,
            0,
            0,
            0,
            new Cost(new long[5], new double[5]),
            0,
            0);
    assertThat(view("--filter", "/o*", "--filter", "acme").rows(interval)).hasSize(1);
    assertThat(view("--filter", "/o*", "--filter", "globex").rows(interval)).isEmpty();
  }
}
