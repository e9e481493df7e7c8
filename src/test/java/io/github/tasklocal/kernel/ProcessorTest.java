// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ProcessorTest {

  @Test
  void aWideExchangeIsLackedWhereTheFlagsDoNotNameIt() {
    assertThat(Processor.lacksWideExchange("processor\t: 0\nflags\t\t: fpu cx8 cx16 lm\n"))
        .isFalse();
    assertThat(Processor.lacksWideExchange("flags\t\t: fpu lm cx16")).isFalse();
    assertThat(Processor.lacksWideExchange("flags\t\t: fpu cx8 lm\n")).isTrue();
    assertThat(Processor.lacksWideExchange("processor\t: 0\nFeatures\t: fp atomics\n")).isFalse();
    assertThat(Processor.lacksWideExchange("vmx flags\t: vnmi\nflags\t\t: cx16 lm\n")).isFalse();
  }
}
