// SPDX-License-Identifier: Apache-2.0

/**
 * The exceptions of this library, a type for each kind of failure. All are {@link
 * io.github.tasklocal.error.TaskLocalException}s, which are unchecked, and whose messages end with
 * what mends the problem.
 */
@NullMarked
package io.github.tasklocal.error;

import org.jspecify.annotations.NullMarked;
