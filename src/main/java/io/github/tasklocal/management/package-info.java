// SPDX-License-Identifier: Apache-2.0

/** What those who operate an application see of the library in it, by JMX. */
@NullMarked
package io.github.tasklocal.management;

import org.jspecify.annotations.NullMarked;
