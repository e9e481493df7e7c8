// SPDX-License-Identifier: Apache-2.0

/** What a change of a context costs with a bridge, beside the same change without it. */
@NullMarked
package io.github.tasklocal.bridges.bench;

import org.jspecify.annotations.NullMarked;
