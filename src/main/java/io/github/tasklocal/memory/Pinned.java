// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

/**
 * Keeps the calling virtual thread on its carrier, from before it takes the registry's lock until
 * it has left it. A carrier takes that lock, too, to get its page when it first shows a virtual
 * thread. If the owner were unmounted meanwhile, which a monitor does not prevent (JEP 491), all
 * carriers might wait for the lock, and none would be left to run its owner.
 *
 * <p>Does nothing on other threads, and where values do not follow: no carrier takes the lock
 * there.
 */
final class Pinned implements AutoCloseable {

  private static final Pinned NOT = new Pinned();
  private static final Pinned HERE = new Pinned();

  private Pinned() {}

  /**
   * Pins the calling thread, if it is mounted, until the result is closed. That can be nested.
   *
   * @throws StackOverflowError if too little stack is left to begin
   */
  static Pinned here() {
    if (!VirtualThreads.isMounted(Thread.currentThread()) || !VirtualThreads.follow()) {
      return NOT;
    }
    JdkVirtualThread.pin();
    return HERE;
  }

  @Override
  @SuppressWarnings("ReferenceEquality")
  public void close() {
    if (this == HERE) {
      JdkVirtualThread.unpin();
    }
  }
}
