// SPDX-License-Identifier: Apache-2.0

/**
 * What this library refuses or fails at, a type for each kind. All are {@link
 * io.github.tasklocal.error.TaskLocalException}s, which are unchecked, and whose messages end with
 * what mends it. Every package of the library throws them, so they use none of it.
 */
@NullMarked
package io.github.tasklocal.error;

import org.jspecify.annotations.NullMarked;
