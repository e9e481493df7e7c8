// SPDX-License-Identifier: Apache-2.0

/**
 * Values of a thread that BPF programs read and write: keys ({@link io.github.tasklocal.TaskLocal})
 * and the maps that share them ({@link io.github.tasklocal.TaskLocalMap}).
 *
 * <p>Unless said otherwise, a null argument gives a {@link NullPointerException}, and every type
 * may be used by all threads at once.
 */
@NullMarked
package io.github.tasklocal;

import org.jspecify.annotations.NullMarked;
