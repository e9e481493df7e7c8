// SPDX-License-Identifier: Apache-2.0

/** Tests what a BPF program sees of a thread. */
module io.github.tasklocal.junit {
  requires transitive io.github.tasklocal;
  requires transitive org.junit.jupiter.api;
  requires static org.jspecify;

  exports io.github.tasklocal.junit;
}
