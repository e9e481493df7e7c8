// SPDX-License-Identifier: Apache-2.0

/**
 * The bundled selftest: shows on the running kernel that Java threads and BPF programs exchange
 * values. It is a user of the library, in a jar of its own.
 *
 * <p>A test is a {@link io.github.tasklocal.selftest.TestCase}; themes are classes with a method
 * {@code tests()}, listed in {@link io.github.tasklocal.selftest.Suite}.
 */
@NullMarked
package io.github.tasklocal.selftest;

import org.jspecify.annotations.NullMarked;
