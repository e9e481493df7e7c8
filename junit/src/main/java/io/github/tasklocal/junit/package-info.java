// SPDX-License-Identifier: Apache-2.0

/** A JUnit extension for tests of code that sets task locals. */
@NullMarked
package io.github.tasklocal.junit;

import org.jspecify.annotations.NullMarked;
