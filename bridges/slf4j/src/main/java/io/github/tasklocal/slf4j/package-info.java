// SPDX-License-Identifier: Apache-2.0

/** Shows listed values of SLF4J's MDC to BPF programs. */
@NullMarked
package io.github.tasklocal.slf4j;

import org.jspecify.annotations.NullMarked;
