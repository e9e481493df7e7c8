// SPDX-License-Identifier: Apache-2.0

/**
 * What a BPF program sees of threads, read with {@code dump.bpf.c}: for the tools, and for the
 * tests of users. Of the library it uses only what is exported.
 */
@NullMarked
package io.github.tasklocal.kit.seen;

import org.jspecify.annotations.NullMarked;
