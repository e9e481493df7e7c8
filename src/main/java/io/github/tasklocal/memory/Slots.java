// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.Refusal;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.memory.ThreadState.Native;
import org.jspecify.annotations.Nullable;

/**
 * Entries that a serving side makes for this process's threads, whose pages it has given. A thread
 * that has another page moves to such a page itself, at its next use of a key: whoever moved its
 * values from outside would lose what it writes meanwhile.
 */
final class Slots implements Way {

  private final Registry registry;
  private final Kernel kernel;
  private final Served served;
  private final String socket;

  /**
   * Makes the way of a socket.
   *
   * @param socket its path
   */
  Slots(Registry registry, String socket) {
    this.registry = registry;
    this.kernel = registry.kernel;
    this.served = registry.served;
    this.socket = socket;
  }

  @Override
  public Outcome put(Entry entry) {
    ThreadRecord record = entry.record;
    if (!served.isPresent(record.place.address())) {
      return move(entry);
    }
    boolean wasTried = entry.wasTried();
    record.place.give();
    entry.tried(true);
    int error = served.register(entry.task, record.place.address());
    if (error == 0) {
      return Outcome.SET;
    }
    if (error != Refusal.STALLED) {
      entry.tried(wasTried);
    }
    if (error == Refusal.NO_SUCH_THREAD && !kernel.isAlive(entry.task)) {
      return Outcome.ENDED;
    }
    if (error == Refusal.NO_WAY && kernel.currentTid() != entry.task.tid()) {
      registry.threads.unfit.takeAway(record);
      return Outcome.WAITS; // it can register itself, when it comes
    }
    throw Refusal.of("set the entry of " + entry.task + " in", socket, error);
  }

  /** Has a thread move to a page of an array. */
  private Outcome move(Entry entry) {
    ThreadRecord record = entry.record;
    String why = registry.threads.moves.whyItStays(record);
    if (why != null) {
      throw entry.refused(
          why,
          "start java with -Dtasklocal.map="
              + socket
              + ", which connects before the first use of a key; or let go what holds the page");
    }
    int error = served.connection.isOpen() && !served.hasOne() ? served.connection.refused() : 0;
    if (error != 0) {
      throw Refusal.of("set the entry of " + entry.task + " in", socket, error);
    }
    if (served.connection.answers() && !(record.state() instanceof Native)) {
      registry.threads.unfit.takeAway(record);
    }
    return Outcome.WAITS;
  }

  @Override
  public void remove(Entry entry) {
    int error = served.leave(entry.task);
    if (error != 0) {
      throw Refusal.of("take the entry of " + entry.task + " out of", socket, error);
    }
  }

  /** Nobody but the serving side can change it, and this process cannot look. */
  @Override
  public @Nullable KernelException change(Entry entry) {
    return null;
  }

  /** The connection is the process's, and stays. */
  @Override
  public void close() {}

  /** {@return what is said of a thread that has to come itself} */
  static KernelException waits(Task task, String socket) {
    return new NotPermittedException(
        "set the entry of " + task + " in",
        socket,
        null,
        "the thread had its page before the connection, and moves to another itself",
        "wait for its next use of a key; or start java with -Dtasklocal.map, which connects before"
            + " the first one");
  }
}
