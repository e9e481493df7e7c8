// SPDX-License-Identifier: Apache-2.0

/** The keys that bridges from other contexts fill, from one list. */
module io.github.tasklocal.context {
  requires transitive io.github.tasklocal;
  requires static org.jspecify;

  exports io.github.tasklocal.context;
}
