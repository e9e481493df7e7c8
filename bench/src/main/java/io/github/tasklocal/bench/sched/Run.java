// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import org.HdrHistogram.Histogram;

/**
 * One run of the {@link Server}.
 *
 * @param latency of the interactive requests, from when they were due, in nanoseconds
 * @param delay the latency less the request's own processor time
 * @param ownMillis a request's processor time, on average
 * @param requests per second
 * @param pieces of the backlog per second
 * @param switches of the pool's threads and the JVM's others, per second
 * @param syscalls to tell the kernel, per second
 * @param stores to tell the kernel, per second
 * @param preemptions by scx_tasklocal, per second, as the next two
 * @param rescues of threads that it had let wait for long
 * @param hints that it found
 * @param neighbour the share of the processors that the {@link Neighbour} had, or NaN without one
 */
record Run(
    Histogram latency,
    Histogram delay,
    double ownMillis,
    double requests,
    double pieces,
    double switches,
    double syscalls,
    double stores,
    double preemptions,
    double rescues,
    double hints,
    double neighbour) {}
