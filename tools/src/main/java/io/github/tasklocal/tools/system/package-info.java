// SPDX-License-Identifier: Apache-2.0

/**
 * What the commands and the serving side need of the system that neither Java nor the library has.
 * The one place of this program that binds functions of the C library and libbpf.
 */
@NullMarked
package io.github.tasklocal.tools.system;

import org.jspecify.annotations.NullMarked;
