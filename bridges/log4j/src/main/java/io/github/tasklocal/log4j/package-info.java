// SPDX-License-Identifier: Apache-2.0

/** Shows listed values of the ThreadContext of Log4j 2 to BPF programs. */
@NullMarked
package io.github.tasklocal.log4j;

import org.jspecify.annotations.NullMarked;
