// SPDX-License-Identifier: Apache-2.0

/** How the charts of the benchmarks and of the tools look, and their way into a file. */
@NullMarked
package io.github.tasklocal.kit.chart;

import org.jspecify.annotations.NullMarked;
