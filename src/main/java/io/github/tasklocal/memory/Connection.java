// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.Message;
import io.github.tasklocal.kernel.Refusal;

/**
 * The process's connection to a serving side. It belongs to the process, as all copies of the
 * library know it, and is not closed when a map is: threads keep their pages. Under the registry's
 * lock.
 *
 * <p>No thread waits longer than a limit for an answer. Where one does not come, the connection is
 * stalled: nothing is asked any more until {@link #tend} has seen the answers that were late.
 */
final class Connection {

  /** How many of {@link SharedData#numbers} this takes. */
  static final int NUMBERS = 13;

  /** Indexes of the numbers, from {@link SharedData#SERVED} on: the descriptor, plus 1. */
  private static final int SOCKET = SharedData.SERVED;

  private static final int TOKEN = SOCKET + 1;

  /** How threads can be registered, as the serving side says. */
  private static final int WAYS = SOCKET + 2;

  /** Counts the grants of this process; 0 before the first. */
  private static final int GRANT = SOCKET + 3;

  private static final int LAST_ID = SOCKET + 4;

  /** How many answers have not come yet. */
  private static final int OPEN = SOCKET + 5;

  private static final int STALLED = SOCKET + 6;

  /** The id of the message that asks for an array, or 0. */
  private static final int ASKED = SOCKET + 7;

  /** Why there is no other array, or 0. */
  private static final int REFUSED = SOCKET + 8;

  /** How many pages an array has. */
  private static final int PAGES = SOCKET + 9;

  /** The descriptor of a connection that is to go on with the grant, plus 1, or 0. */
  private static final int RESUMING = SOCKET + 10;

  /** The descriptor of an array that has come and is not mapped yet, plus 1, or 0. */
  private static final int COME = SOCKET + 11;

  /** The number of that array. */
  private static final int COME_NUMBER = SOCKET + 12;

  /** Values of WAYS. */
  static final int BY_PIDFD = 1;

  static final int BY_ITSELF = 2;
  static final int BY_TID = 4;

  private final Kernel kernel;
  private final SharedData data;
  private final ArrayPages arrays;
  private final long[] n;

  Connection(Kernel kernel, SharedData data, ArrayPages arrays) {
    this.kernel = kernel;
    this.data = data;
    this.arrays = arrays;
    this.n = data.numbers;
  }

  boolean isOpen() {
    return n[SOCKET] != 0;
  }

  /** {@return whether something can be asked now} */
  boolean answers() {
    return isOpen() && n[STALLED] == 0;
  }

  /** {@return whether one of the ways to register threads is offered} */
  boolean offers(int way) {
    return (n[WAYS] & way) != 0;
  }

  long token() {
    return n[TOKEN];
  }

  /** {@return which of the process's grants is the present one, or 0} */
  long grant() {
    return n[GRANT];
  }

  /** {@return the path of the socket that was opened last, or ""} */
  String socket() {
    return data.socket[0] instanceof String path ? path : "";
  }

  /** A grant begins, or goes on. Cannot fail. */
  void begin(int fd, Message answer) {
    n[SOCKET] = fd + 1L;
    n[TOKEN] = answer.token() == 0 ? n[TOKEN] : answer.token();
    n[WAYS] = answer.flags();
    n[LAST_ID] = answer.id();
    n[OPEN] = 0;
    n[STALLED] = 0;
    n[ASKED] = 0;
    n[REFUSED] = 0;
  }

  /** The connection is over; what was granted stays, for the next one. Cannot fail. */
  void lose() {
    if (isOpen()) {
      int fd = (int) n[SOCKET] - 1;
      n[SOCKET] = 0;
      kernel.close(fd);
    }
  }

  /**
   * Keeps a connection over which the answer to RESUME has not come yet. Whoever closed it would
   * give back what was granted, as soon as the serving side sees both. Cannot fail.
   */
  void keepResuming(int fd) {
    n[RESUMING] = fd + 1L;
  }

  /** {@return the connection that was kept, and is the caller's from now on; or -1} Cannot fail. */
  int takeResuming() {
    int fd = (int) n[RESUMING] - 1;
    n[RESUMING] = 0;
    return fd;
  }

  /** The grants before are over. Cannot fail. */
  void beginGrant(String socket, int pages) {
    arrays.abandon();
    dropCome();
    data.socket[0] = socket;
    n[GRANT]++;
    n[PAGES] = pages;
  }

  private void dropCome() {
    if (n[COME] != 0) {
      int fd = (int) n[COME] - 1;
      n[COME] = 0;
      kernel.close(fd);
    }
  }

  /** {@return the id of the next message} */
  int nextId() {
    return (int) (n[LAST_ID] + 1);
  }

  /**
   * Asks something.
   *
   * @param message with the {@link #nextId}
   * @return the answer's status; EPIPE if nobody is there, ETIMEDOUT if the answer does not come
   */
  int ask(Message message) {
    int error = send(message);
    return error == 0 ? await(message.id()) : error;
  }

  private int send(Message message) {
    if (!answers()) {
      return isOpen() ? Refusal.STALLED : Refusal.GONE;
    }
    n[LAST_ID] = message.id();
    int error = -kernel.send((int) n[SOCKET] - 1, message);
    if (error == 0) {
      n[OPEN]++;
      return 0;
    }
    return failed(error);
  }

  private int await(int id) {
    while (true) {
      Message answer = kernel.receive((int) n[SOCKET] - 1, true);
      if (answer.kind() == 0) {
        return failed(answer.status());
      }
      if (!accept(answer)) {
        return Refusal.GONE;
      }
      if (answer.id() == id) {
        return answer.status();
      }
    }
  }

  /** {@return what is said of an error} */
  private int failed(int error) {
    if (Refusal.isLate(error)) {
      n[STALLED] = 1;
      return Refusal.STALLED;
    }
    if (Refusal.isEnd(error)) {
      lose();
      return Refusal.GONE;
    }
    return error;
  }

  /** {@return false if more was answered than asked} */
  private boolean accept(Message answer) {
    n[OPEN]--;
    int fd = answer.descriptor();
    boolean isArray = answer.kind() == Message.ARRAY && answer.id() == n[ASKED];
    if (isArray) {
      n[ASKED] = 0;
      n[REFUSED] = answer.status();
    }
    if (isArray && answer.status() == 0 && fd >= 0) {
      n[COME] = fd + 1L;
      n[COME_NUMBER] = answer.array();
      n[REFUSED] = mapCome();
    } else if (fd >= 0) {
      kernel.close(fd);
    } else if (isArray && answer.status() == 0) {
      n[REFUSED] = Refusal.NO_DESCRIPTOR;
    }
    if (n[OPEN] < 0) {
      lose();
      return false;
    }
    return true;
  }

  /**
   * Takes the array into use that has come. If that fails, it is kept, and no other is asked for:
   * each counts to what this process may have.
   *
   * @return 0, or why it cannot be used now
   */
  private long mapCome() {
    int pages = (int) n[PAGES];
    long[] prepared = arrays.prepare(pages);
    long address = arrays.map(prepared, (int) n[COME] - 1, pages);
    if (address < 0) {
      return -address;
    }
    arrays.add(prepared, (int) n[COME_NUMBER], n[GRANT], 0);
    dropCome();
    return 0;
  }

  /**
   * Asks for one more array, unless that was asked, or refused.
   *
   * @param waits whether to wait for it
   */
  void askForArray(boolean waits) {
    if (n[ASKED] == 0 && n[REFUSED] == 0) {
      if (n[COME] != 0) {
        n[REFUSED] = mapCome();
      } else {
        askForOne();
      }
    }
    if (waits && n[ASKED] != 0 && answers()) {
      int ignored = await((int) n[ASKED]);
    }
  }

  /** One that cannot come would be lost for good, and count: so there has to be room for it. */
  private void askForOne() {
    Message message = Message.of(Message.ARRAY, nextId(), 0);
    n[REFUSED] = -kernel.spare();
    if (n[REFUSED] == 0 && send(message) == 0) {
      n[ASKED] = message.id();
    }
  }

  /** {@return why there is no other array, or 0} */
  int refused() {
    return (int) n[REFUSED];
  }

  /** Another array may be asked for again, if it was refused. */
  void forgetRefusal() {
    n[REFUSED] = 0;
  }

  /**
   * Looks whether the other side is still there, and at what was late.
   *
   * @return whether it answers again after it did not
   */
  boolean tend() {
    if (!isOpen()) {
      return false;
    }
    while (n[OPEN] > 0) {
      Message answer = kernel.receive((int) n[SOCKET] - 1, false);
      if (answer.kind() == 0) {
        if (!Refusal.isLate(answer.status())) {
          int ignored = failed(answer.status());
        }
        break;
      }
      if (!accept(answer)) {
        return false;
      }
    }
    if (isOpen() && kernel.isOver((int) n[SOCKET] - 1)) {
      lose();
    }
    boolean wasStalled = n[STALLED] != 0;
    boolean onlyArray = n[OPEN] == (n[ASKED] == 0 ? 0 : 1);
    if (isOpen() && wasStalled && onlyArray) {
      n[STALLED] = 0;
      return true;
    }
    return false;
  }
}
