// SPDX-License-Identifier: Apache-2.0

/** Carries listed values between threads, by the context propagation of Micrometer. */
@NullMarked
package io.github.tasklocal.micrometer;

import org.jspecify.annotations.NullMarked;
