// SPDX-License-Identifier: Apache-2.0

/** Commands around task local data, in one jar: {@code java -jar tasklocal-tools.jar --help}. */
@NullMarked
package io.github.tasklocal.tools;

import org.jspecify.annotations.NullMarked;
