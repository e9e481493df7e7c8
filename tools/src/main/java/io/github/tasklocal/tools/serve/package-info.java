// SPDX-License-Identifier: Apache-2.0

/**
 * The serving side: gives processes pages over a socket, and registers their threads. {@link
 * io.github.tasklocal.tools.serve.ServingSide} is all that commands see of it.
 */
@NullMarked
package io.github.tasklocal.tools.serve;

import org.jspecify.annotations.NullMarked;
