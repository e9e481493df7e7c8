// SPDX-License-Identifier: Apache-2.0

/**
 * What the library costs, compared with what one would do without it. {@code scripts/bench} runs it.
 *
 * <p>A benchmark of JMH has its baseline in the same class and names it ({@link
 * io.github.tasklocal.bench.Compared}). What JMH cannot measure, since it happens once in a thread
 * or a process, has a class with a method {@code rows}.
 */
@NullMarked
package io.github.tasklocal.bench;

import org.jspecify.annotations.NullMarked;
