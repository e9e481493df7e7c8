// SPDX-License-Identifier: Apache-2.0

/**
 * What the tests, the selftest, the soak and the tools' tests share: waiting for conditions, and
 * child JVMs. It does not use the library.
 *
 * <p>No time limit here measures anything. Each ends a wait for something that should have come
 * long before, so that a run ends by itself and says what it waited for. A machine that is slow or
 * busy gets more time; see {@link io.github.tasklocal.kit.Patience}.
 */
@NullMarked
package io.github.tasklocal.kit;

import org.jspecify.annotations.NullMarked;
