// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

class AgentTest {

  private final Logger logger = Logger.getLogger("io.github.tasklocal");

  private final List<String> said = new ArrayList<>();

  private final Handler handler =
      new Handler() {
        @Override
        public void publish(LogRecord record) {
          said.add(record.getMessage());
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
      };

  /** The virtual machine ends an application whose agent throws. */
  @Test
  void whatFailsIsSaidOnceAndNotThrown() {
    logger.addHandler(handler);
    try {
      Agent.premain(null, null); // without what it takes
    } finally {
      logger.removeHandler(handler);
    }
    assertThat(said).singleElement().asString().contains("could not export", "--add-exports");
  }
}
