// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.Message;
import io.github.tasklocal.kernel.Refusal;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.layout.DataPage;
import java.lang.invoke.VarHandle;
import java.util.function.LongSupplier;

/**
 * Pages from a serving side, and the registration of threads there. Under the registry's lock,
 * except what {@link Connection} says.
 */
final class Served {

  /** How many pages are left before the one is taken at which another array is asked for. */
  private static final int FEW = 16;

  private static final VarHandle WORD = JAVA_LONG.varHandle();

  private final Kernel kernel;
  final ArrayPages arrays;
  final Connection connection;

  Served(Kernel kernel, SharedData data, LongSupplier clock) {
    this.kernel = kernel;
    this.arrays = new ArrayPages(kernel, data, clock);
    this.connection = new Connection(kernel, data, arrays);
  }

  /** {@return a page that nobody else has; 0 if there is no serving side, or it gives none now} */
  long take() {
    if (!hasOne()) {
      return 0;
    }
    if (arrays.left() <= FEW) {
      connection.askForArray(false); // first, as it may fail
    }
    return arrays.take();
  }

  /** {@return whether {@link #take} finds a page} Asks for more if there is none. */
  boolean hasOne() {
    if (connection.grant() == 0) {
      return false;
    }
    if (!arrays.haveAny()) {
      connection.askForArray(true);
    }
    return arrays.haveAny();
  }

  /** {@return whether the next {@link #take} finds a page at once} */
  boolean haveFree() {
    return connection.grant() != 0 && arrays.haveAny();
  }

  /** {@return false if this is no page of an array} Gives one back that no entry ever had. */
  boolean release(long page) {
    return arrays.release(page, connection.grant());
  }

  /** {@return the same} Gives one back to which an entry may lead. */
  boolean retire(long page) {
    return arrays.retire(page, connection.grant());
  }

  /** {@return whether threads with this page can be registered} */
  boolean isPresent(long page) {
    return arrays.has(page, connection.grant());
  }

  /** Waits, under no lock, until no program runs any more that may reach pages which rest. */
  void barrier(Object lock) {
    long ever;
    synchronized (lock) {
      ever = arrays.waitForBarrier();
    }
    if (ever != 0) {
      boolean isRefused = kernel.barrier() != 0;
      synchronized (lock) {
        arrays.barrier(isRefused ? Long.MAX_VALUE : ever); // where it is refused, time has to do
      }
    }
  }

  /**
   * Registers a thread.
   *
   * @param page its page, which is {@linkplain #isPresent present}
   * @return 0 or a positive errno; ESRCH if the tid is not the thread's own any more
   */
  int register(Task task, long page) {
    ArrayPages.Spot spot = arrays.spot(page);
    if (connection.offers(Connection.BY_PIDFD)) {
      int pidfd = kernel.pidfd(task.tid());
      if (pidfd >= 0) {
        try {
          return kernel.isAlive(task)
              ? connection.ask(message(Message.THREAD, spot, pidfd, 0))
              : Refusal.NO_SUCH_THREAD;
        } finally {
          kernel.close(pidfd);
        }
      }
      if (!Refusal.isNoPidfd(-pidfd)) {
        return -pidfd;
      }
    }
    if (isItself(task) && connection.offers(Connection.BY_ITSELF) && registerItself(spot, page)) {
      return 0;
    }
    return connection.offers(Connection.BY_TID)
        ? connection.ask(message(Message.TID, spot, -1, task.tid()))
        : Refusal.NO_WAY;
  }

  private boolean isItself(Task task) {
    return kernel.currentTid() == task.tid();
  }

  private Message message(int kind, ArrayPages.Spot spot, int pidfd, int tid) {
    return Message.of(
        kind, connection.nextId(), spot.array(), spot.page(), spot.start(), pidfd, tid);
  }

  /** The word before the values tells whether the hook has answered: a filter may answer, too. */
  private boolean registerItself(ArrayPages.Spot spot, long page) {
    long token = connection.token();
    WORD.setVolatile(Memory.ALL, page, 0L);
    try {
      long where = (long) spot.page() << Short.SIZE | spot.start();
      kernel.registerThread(token, spot.array(), where);
      return (long) WORD.getVolatile(Memory.ALL, page) == token;
    } finally {
      WORD.setVolatile(Memory.ALL, page, (long) DataPage.START);
    }
  }

  /**
   * Takes the entry of a thread out.
   *
   * @return 0, also if the thread's task is gone and its entry with it; or a positive errno
   */
  int leave(Task task) {
    int pidfd = kernel.pidfd(task.tid());
    int status;
    if (pidfd >= 0) {
      try {
        status = kernel.isAlive(task) || task.isOurs() ? ask(Message.LEAVE, pidfd, 0) : 0;
      } finally {
        kernel.close(pidfd);
      }
    } else if (Refusal.isNoPidfd(-pidfd)) {
      status = kernel.isAlive(task) || task.isOurs() ? ask(Message.LEAVE, -1, task.tid()) : 0;
    } else {
      status = -pidfd;
    }
    return status == Refusal.NO_SUCH_THREAD ? 0 : status;
  }

  private int ask(int kind, int pidfd, int tid) {
    return connection.ask(message(kind, new ArrayPages.Spot(0, 0, 0), pidfd, tid));
  }
}
