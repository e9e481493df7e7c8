// SPDX-License-Identifier: Apache-2.0

/**
 * A page for each thread, and its entries in the open maps. The hot path is here.
 *
 * <pre>
 *   lease, release     a thread gets a page; the page may serve another one
 *   retire             a released part of a shared page rests before it is leased again
 *   reserve, begin     a page for a thread that is not started; it has reached its first step
 *   attach, detach     a native thread becomes one of Java's, or is no longer one
 *   borrow, give back  another thread uses the page, which is not released meanwhile
 *   escape             a hold on the page may be reachable when its thread has ended
 *   register           a thread gets its entry in a map
 *   unregister         the entry is taken out
 *   stale              an ended thread's entry that could not be taken out
 *   unfit              of a page that BPF must not be given: its thread moves to another
 * </pre>
 */
@NullMarked
package io.github.tasklocal.memory;

import org.jspecify.annotations.NullMarked;
