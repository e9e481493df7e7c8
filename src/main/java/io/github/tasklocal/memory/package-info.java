// SPDX-License-Identifier: Apache-2.0

/**
 * A page for each thread: given to it at its first use of a key, registered with the open maps,
 * taken back after the thread's end. The hot path is here.
 */
@NullMarked
package io.github.tasklocal.memory;

import org.jspecify.annotations.NullMarked;
