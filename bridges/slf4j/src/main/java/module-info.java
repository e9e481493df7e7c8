// SPDX-License-Identifier: Apache-2.0

/** Shows listed values of SLF4J's MDC to BPF programs. */
module io.github.tasklocal.slf4j {
  requires io.github.tasklocal.context;
  requires transitive org.slf4j;
  requires static org.jspecify;

  // Not provided as a service: it stands in for another provider, and is named to SLF4J.
  exports io.github.tasklocal.slf4j;

  uses org.slf4j.spi.SLF4JServiceProvider;
}
