// SPDX-License-Identifier: Apache-2.0

/**
 * The formats of the memory that is shared with BPF programs: the {@linkplain
 * io.github.tasklocal.layout.Wire wires}, a thread's page, the pages of keys, and the values of the
 * maps. They are written and read here. Nothing here calls native code or knows a thread.
 *
 * <p>Users of {@link io.github.tasklocal.TaskLocal} need {@link io.github.tasklocal.layout.Wire}
 * alone. The rest is for programs that look at the memory of other processes, as a debugger does.
 * It follows the wires, so it may change with them.
 */
@NullMarked
package io.github.tasklocal.layout;

import org.jspecify.annotations.NullMarked;
