// SPDX-License-Identifier: Apache-2.0

/** What programs of tests and measurements share of what their users see. */
@NullMarked
package io.github.tasklocal.kit.report;

import org.jspecify.annotations.NullMarked;
