// SPDX-License-Identifier: Apache-2.0
/**
 * Names for addresses of code: of the kernel, of native files, and of what JVMs have compiled. Files
 * of other processes may say anything; what cannot be read has no names.
 */
@NullMarked
package io.github.tasklocal.tools.symbols;

import org.jspecify.annotations.NullMarked;
