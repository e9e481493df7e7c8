// SPDX-License-Identifier: Apache-2.0

/**
 * The long run: checks on the running kernel that nothing leaks, nothing is lost and no thread has another's value, while threads, maps and processes come and go. A user of the library, in the
 * selftest's jar.
 *
 * <p>A {@link io.github.tasklocal.soak.SoakRow} of the table is a class with a method {@code row()},
 * listed in {@link io.github.tasklocal.soak.Soak}. Each runs in a JVM of its own, and reports what it has measured as {@link io.github.tasklocal.soak.Figure}s, through its {@link
 * io.github.tasklocal.soak.SoakRun}.
 */
@NullMarked
package io.github.tasklocal.soak;

import org.jspecify.annotations.NullMarked;
