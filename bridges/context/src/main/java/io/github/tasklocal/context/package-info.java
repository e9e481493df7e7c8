// SPDX-License-Identifier: Apache-2.0

/**
 * The keys that bridges from other contexts fill, such as that of a logging library: a list that
 * the user gives, once for all bridges ({@link io.github.tasklocal.context.ContextKeys}).
 */
@NullMarked
package io.github.tasklocal.context;

import org.jspecify.annotations.NullMarked;
