// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.soak.Figure.Relation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FigureTest {

  @ParameterizedTest
  @CsvSource({
    "AT_MOST, 5, 5, true",
    "AT_MOST, 5.1, 5, false",
    "AT_MOST, NaN, 5, false",
    "EQUAL, 50, 50, true",
    "EQUAL, 49, 50, false",
    "MORE_THAN, 1, 0, true",
    "MORE_THAN, 0, 0, false",
    "ANY, 7, 0, true",
  })
  void passesIfItKeepsItsLimit(Relation relation, double value, double limit, boolean passed) {
    assertThat(new Figure("a", value, "", relation, limit).passed()).isEqualTo(passed);
  }

  @Test
  void isTheSameAfterItWasWrittenAndParsed() {
    Figure figure = new Figure("time until seen", 0.1, "ms", Relation.AT_MOST, 1e3);
    assertThat(Figure.parse(figure.line())).isEqualTo(figure);
    Figure bare = new Figure("threads", 1e6, "", Relation.ANY, 0);
    assertThat(Figure.parse(bare.line())).isEqualTo(bare);
  }

  @Test
  void isShownWithItsUnitAndItsLimit() {
    Figure figure = new Figure("growth", 1234.56, "%", Relation.AT_MOST, 5);
    assertThat(figure.seen()).isEqualTo("1,234.6 %");
    assertThat(figure.wanted()).isEqualTo("<= 5");
  }
}
