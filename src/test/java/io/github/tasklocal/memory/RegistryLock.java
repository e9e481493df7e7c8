// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

/** The lock of the process's registry, for tests that let others wait for it. */
public final class RegistryLock {

  private RegistryLock() {}

  /** Does something while no other thread has the lock. */
  public static void during(Runnable code) {
    synchronized (ThreadPages.REGISTRY.lock) {
      code.run();
    }
  }
}
