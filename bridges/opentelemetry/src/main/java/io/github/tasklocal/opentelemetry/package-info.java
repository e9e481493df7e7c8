// SPDX-License-Identifier: Apache-2.0

/** Shows the trace of OpenTelemetry's context, and listed values of it, to BPF programs. */
@NullMarked
package io.github.tasklocal.opentelemetry;

import org.jspecify.annotations.NullMarked;
