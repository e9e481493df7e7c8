// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.Task;
import java.util.LinkedHashMap;
import java.util.Map;

/** Which threads have an entry in an open map, and which should have one. */
public final class Registrations {

  private final Registry registry;

  Registrations(Registry registry) {
    this.registry = registry;
  }

  /** {@return how many live threads have an entry in a map} */
  public int threads(OpenMap map) {
    synchronized (registry.lock) {
      registry.catchUp();
      registry.threads.ends.releaseEnded();
      return map.shared.entries();
    }
  }

  /** {@return how many live threads have to come themselves, at their next use of a key} */
  public int waiting(OpenMap map) {
    int count = 0;
    synchronized (registry.lock) {
      registry.catchUp();
      registry.threads.ends.releaseEnded();
      for (ThreadRecord each = registry.threads.first(); each != null; each = each.next) {
        Entry entry = each.entry(map);
        count += entry != null && entry.waits && entry.status() != Entry.Status.SET ? 1 : 0;
      }
    }
    return count;
  }

  /**
   * {@return the live threads that should have an entry in a map and have none, with the reason}
   */
  public Map<Task, KernelException> unregistered(OpenMap map) {
    Map<Task, KernelException> found = new LinkedHashMap<>();
    synchronized (registry.lock) {
      registry.catchUp();
      registry.threads.ends.releaseEnded();
      for (ThreadRecord each = registry.threads.first(); each != null; each = each.next) {
        Entry entry = each.entry(map);
        if (entry != null && entry.reason != null && entry.status() != Entry.Status.SET) {
          found.put(entry.task, entry.reason);
        }
      }
    }
    return found;
  }
}
