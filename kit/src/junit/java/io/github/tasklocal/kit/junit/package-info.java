// SPDX-License-Identifier: Apache-2.0

/** What the kit has for tests of JUnit. */
@NullMarked
package io.github.tasklocal.kit.junit;

import org.jspecify.annotations.NullMarked;
