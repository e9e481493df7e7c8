// SPDX-License-Identifier: Apache-2.0

/**
 * What hints do for a server under the scheduler {@code scx_tasklocal}, compared with the kernel's default scheduler. {@code scripts/bench-sched} runs it.
 */
@NullMarked
package io.github.tasklocal.bench.sched;

import org.jspecify.annotations.NullMarked;
