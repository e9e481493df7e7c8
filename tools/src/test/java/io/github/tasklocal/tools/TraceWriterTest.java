// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TraceWriterTest {

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      value = {
        "worker-1, worker-1",
        "a b, \"a b\"",
        "a\"b, \"a\\\"b\"",
        "`x enter: 1 -> 2`, \"x enter: 1 -> 2\"",
        "``, \"\"",
        "`a\nb`, a\\nb",
      })
  void aLineCanBeReadInOneWayOnly(String comm, String shown) {
    StringWriter text = new StringWriter();
    new TraceWriter.Text(new PrintWriter(text))
        .write(
            new TraceChange(
                5_000_000_042L,
                7,
                8,
                1,
                TraceChange.Where.ENTER,
                7,
                7,
                8,
                comm,
                SeenValue.NO_ENTRY_VALUE,
                new SeenValue("\"a -> b\"", "a -> b", true, -1)));
    assertThat(text.toString())
        .isEqualTo("5.000000042 [001] 7/8 " + shown + " enter: (no entry) -> \"a -> b\"\n");
  }
}
