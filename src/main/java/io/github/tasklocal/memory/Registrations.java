// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.memory.ThreadState.Native;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Which threads have an entry in an open map, and which should have one. Whatever goes through all
 * threads here does so in steps, between which first uses get the lock.
 */
public final class Registrations {

  private final Registry registry;

  Registrations(Registry registry) {
    this.registry = registry;
  }

  /** {@return how many live threads have an entry in a map} */
  public int threads(OpenMap map) {
    try (Pinned _ = Pinned.here()) {
      walk(map, entry -> {});
      synchronized (registry.lock) {
        registry.catchUp();
        return map.shared.entries();
      }
    }
  }

  /** {@return how many live threads have to come themselves, at their next use of a key} */
  public int waiting(OpenMap map) {
    int[] count = new int[1];
    walk(map, entry -> count[0] += entry.waits ? 1 : 0);
    return count[0];
  }

  /**
   * {@return the live threads that should have an entry in a map and have none, with the reason}
   */
  public Map<Task, KernelException> unregistered(OpenMap map) {
    Map<Task, KernelException> found = new LinkedHashMap<>();
    walk(
        map,
        entry -> {
          KernelException reason = entry.reason;
          if (reason != null) {
            found.put(entry.task, reason);
          }
        });
    return found;
  }

  /**
   * Sees to the threads that have ended, of those that Java does not know to some, and does
   * something under the lock for the entries of the others that the kernel does not have.
   */
  private void walk(OpenMap map, Consumer<Entry> missing) {
    try (Pinned _ = Pinned.here()) {
      int natives = 0;
      ThreadRecord at;
      synchronized (registry.lock) {
        registry.catchUp();
        at = registry.threads.first();
      }
      while (at != null) {
        synchronized (registry.lock) {
          registry.catchUp();
          at = registry.threads.from(at);
          for (int i = 0; i < Ends.STEP && at != null; i++) {
            ThreadRecord each = at;
            at = each.next;
            if (!(each.state() instanceof Native) || natives++ < Ends.NATIVES) {
              registry.threads.ends.endIfOver(each);
            }
            Entry entry = each.hasEnded() ? null : each.entry(map);
            if (entry != null && entry.status() != Entry.Status.SET) {
              missing.accept(entry);
            }
          }
        }
      }
    }
  }
}
