// SPDX-License-Identifier: Apache-2.0

/**
 * The shared pages as arithmetic: keys, offsets, metadata and map values. Nothing here calls native
 * code or knows a thread.
 */
@NullMarked
package io.github.tasklocal.layout;

import org.jspecify.annotations.NullMarked;
