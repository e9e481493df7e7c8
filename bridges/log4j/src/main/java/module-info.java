// SPDX-License-Identifier: Apache-2.0

/** Shows listed values of the ThreadContext of Log4j 2 to BPF programs. */
module io.github.tasklocal.log4j {
  requires io.github.tasklocal.context;
  requires transitive org.apache.logging.log4j;
  requires static org.jspecify;

  exports io.github.tasklocal.log4j;
}
