// SPDX-License-Identifier: Apache-2.0

/**
 * The only access to the kernel: calls of libbpf and libc, and what their failures mean. No native
 * function is looked up before it is first needed.
 */
@NullMarked
package io.github.tasklocal.kernel;

import org.jspecify.annotations.NullMarked;
