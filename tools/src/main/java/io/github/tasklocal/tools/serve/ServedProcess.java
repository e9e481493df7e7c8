// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A process that has connected, or had before the serving side was started anew. */
final class ServedProcess {

  /** Where a thread's values are. */
  record Place(ServedArray array, int page, int start) {}

  /**
   * A thread.
   *
   * @param tid its number, which may be another thread's after its end
   * @param pidfdNumber which only its pidfds have
   */
  record Registered(int tid, long pidfdNumber) {}

  /** No connection. */
  static final int NONE = -1;

  private final int pid;
  private final int uid;
  private final int pidfd;
  private final List<ServedArray> arrays = new ArrayList<>();

  /** Of registered threads, by where their values are: no two have one place. */
  private final Map<Place, Registered> threads = new HashMap<>();

  private int connection;
  private ServeTables.@Nullable Grant grant;

  private int refusal;
  private boolean left;

  /** What it waits for: the id of a request for an array, which is answered when there is one. */
  private int waitingKind;

  private int waitingId;

  /**
   * Makes one.
   *
   * @param pid its number in the first pid namespace
   * @param pidfd of it; this closes it
   * @param connection its connection, or {@link #NONE}; this closes it
   */
  ServedProcess(int pid, int uid, int pidfd, int connection) {
    this.pid = pid;
    this.uid = uid;
    this.pidfd = pidfd;
    this.connection = connection;
  }

  int pid() {
    return pid;
  }

  int uid() {
    return uid;
  }

  int pidfd() {
    return pidfd;
  }

  int connection() {
    return connection;
  }

  /** {@return its connection, which is somebody else's to close from now on} */
  int releaseConnection() {
    int released = connection;
    connection = NONE;
    return released;
  }

  /** Gives it a connection, where it had none. */
  void connect(int descriptor) {
    connection = descriptor;
  }

  ServeTables.@Nullable Grant grant() {
    return grant;
  }

  void grant(ServeTables.Grant given) {
    grant = given;
  }

  /** {@return its grant, where it is known to have one} */
  ServeTables.Grant requireGrant() {
    if (grant == null) {
      throw new IllegalStateException("process " + pid + " has no grant");
    }
    return grant;
  }

  /** Has it told, when it asks for something, that it gets nothing. */
  void refuse(int status) {
    refusal = status;
  }

  /** {@return what it is to be told; 0 for nothing} */
  int refusal() {
    return refusal;
  }

  /** Notes that it has left, and {@return whether that is new} */
  boolean leave() {
    boolean first = !left;
    left = true;
    return first;
  }

  boolean hasLeft() {
    return left;
  }

  List<ServedArray> arrays() {
    return arrays;
  }

  /** {@return its array of a number, or null} */
  @Nullable ServedArray array(int number) {
    for (ServedArray array : arrays) {
      if (array.number() == number) {
        return array;
      }
    }
    return null;
  }

  /** {@return the threads that were registered here, by where their values are} */
  Map<Place, Registered> threads() {
    return threads;
  }

  void await(int kind, int id) {
    waitingKind = kind;
    waitingId = id;
  }

  /** {@return the kind of request that waits for an array; 0 for none} */
  int waitingKind() {
    return waitingKind;
  }

  int waitingId() {
    return waitingId;
  }
}
