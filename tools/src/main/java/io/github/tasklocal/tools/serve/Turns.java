// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Processes that wait: one of each user in turn, whoever came first of those, so that a user with
 * many processes holds up the others no longer than one with one.
 */
final class Turns {

  /** By user; that of whom one was taken last is the last one. */
  private final Map<Integer, Deque<ServedProcess>> waiting = new LinkedHashMap<>();

  /** Has a process wait. */
  void add(ServedProcess process) {
    waiting.computeIfAbsent(process.uid(), uid -> new ArrayDeque<>()).add(process);
  }

  /** A process waits no longer, without a turn of its user's. */
  void remove(ServedProcess process) {
    Deque<ServedProcess> ofUser = waiting.get(process.uid());
    if (ofUser != null && ofUser.remove(process) && ofUser.isEmpty()) {
      waiting.remove(process.uid());
    }
  }

  /** A process has its turn, and waits no longer. */
  void take(ServedProcess process) {
    remove(process);
    Deque<ServedProcess> others = waiting.remove(process.uid());
    if (others != null) {
      waiting.put(process.uid(), others);
    }
  }

  /** {@return those that wait, in the order of their turns as they are now} */
  List<ServedProcess> inTurn() {
    List<Iterator<ServedProcess>> users = new ArrayList<>();
    waiting.values().forEach(ofUser -> users.add(ofUser.iterator()));
    List<ServedProcess> all = new ArrayList<>();
    while (!users.isEmpty()) {
      users.removeIf(user -> !user.hasNext());
      users.forEach(user -> all.add(user.next()));
    }
    return all;
  }
}
