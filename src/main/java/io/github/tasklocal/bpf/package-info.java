// SPDX-License-Identifier: Apache-2.0

/**
 * BPF objects from Java: load one, set its globals, run and attach its programs, pass its maps to
 * {@link io.github.tasklocal.TaskLocalMap}. Enough for a test, a tool or an agent, but not all of
 * libbpf.
 *
 * <p>Unless said otherwise, a null argument gives a {@link NullPointerException}, and every type
 * may be used by all threads at once. A call that needs the kernel or libbpf after the {@link
 * io.github.tasklocal.bpf.BpfObject} was closed throws an {@link IllegalStateException}.
 */
@NullMarked
package io.github.tasklocal.bpf;

import org.jspecify.annotations.NullMarked;
