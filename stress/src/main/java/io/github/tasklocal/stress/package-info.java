// SPDX-License-Identifier: Apache-2.0

/**
 * What threads may see of each other's work, tried millions of times. Each test names every outcome
 * there can be; {@code scripts/stress} runs them and fails where a forbidden one was seen.
 */
package io.github.tasklocal.stress;
