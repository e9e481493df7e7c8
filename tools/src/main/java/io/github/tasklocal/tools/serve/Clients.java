// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Closer;
import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Pidfds;
import io.github.tasklocal.tools.system.Poller;
import io.github.tasklocal.tools.system.Sockets;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The connections of processes, and who they are. For one thread. */
final class Clients implements AutoCloseable {

  /** How many connections are accepted before those that exist get their turn. */
  private static final int ACCEPTED_AT_ONCE = 16;

  /** How many descriptors of a user's may wait to be closed before it is served no more. */
  static final int MOST_OPEN = 500;

  /** Of refused processes, which are told so when they ask. */
  private static final int MOST_REFUSED = 64;

  private final Arena arena = Arena.ofShared();
  private final Sockets sockets = new Sockets(arena);
  private final Message message = new Message(arena.allocate(Message.BYTES, 8));
  private final int listener;
  private final Poller poller;
  private final ServingSide.Limits limits;
  private final ServeLog log;
  private final Consumer<ServedProcess> departed;
  private final Closer closer = new Closer();
  private final Map<Integer, ServedProcess> byConnection = new HashMap<>();
  private final Map<Integer, ServedProcess> byPidfd = new HashMap<>();

  /** Connections that were one too many, with the status that they will be told; oldest first. */
  private final Deque<ServedProcess> refused = new ArrayDeque<>();

  private boolean accepting = true;

  /**
   * Begins to accept connections.
   *
   * @param departed is told of each process with a grant that has left
   */
  Clients(
      int listener,
      Poller poller,
      ServingSide.Limits limits,
      ServeLog log,
      Consumer<ServedProcess> departed)
      throws Failure {
    this.listener = listener;
    this.poller = poller;
    this.limits = limits;
    this.log = log;
    this.departed = departed;
    watch(listener);
  }

  private void watch(int descriptor) throws Failure {
    if (poller.add(descriptor) < 0) {
      throw new Failure("a descriptor cannot be watched", "raise the limit of open files");
    }
  }

  /** {@return what the last message said, or the next will say} */
  Message message() {
    return message;
  }

  /** {@return the descriptors that came with the last message} */
  Sockets sockets() {
    return sockets;
  }

  /** Closes the descriptors that came with the last message. */
  void closeDescriptors(ServedProcess sender) {
    sockets.closeDescriptors(closer, sender.uid());
  }

  private void close(int connection, int uid) {
    sockets.close(connection, message.bytes(), closer, uid);
  }

  /** {@return whether a user has sent what cannot be closed, again and again} */
  boolean isHanging(int uid) {
    return closer.open(uid) > MOST_OPEN;
  }

  /** {@return the process whose connection a descriptor is, or null} */
  @Nullable ServedProcess ofConnection(int descriptor) {
    return byConnection.get(descriptor);
  }

  /** {@return the process whose pidfd a descriptor is, or null} */
  @Nullable ServedProcess ofPidfd(int descriptor) {
    return byPidfd.get(descriptor);
  }

  /** {@return whether new connections are accepted; if not, it is tried again} */
  boolean isAccepting() {
    if (!accepting) {
      accepting = poller.add(listener) >= 0;
      return false;
    }
    return true;
  }

  /** Accepts the connections that there are. */
  void accept() {
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
      int connection = Sockets.accept(listener);
      if (connection == -Errnos.EAGAIN) {
        return;
      }
      if (connection < 0) {
        // No descriptor is left: those that wait have to wait a little longer.
        poller.remove(listener);
        accepting = false;
        return;
      }
      Sockets.Peer peer = Sockets.peer(connection);
      int ignored = Sockets.tellSenders(connection);
      int pidfd = Sockets.peerPidfd(connection);
      if (pidfd == -Errnos.ENOPROTOOPT && peer.pid() > 0) {
        // Before 6.5. All else may mean that it has ended: its number can be another's by now.
        pidfd = Pidfds.ofProcess(peer.pid());
      }
      if (peer.pid() <= 0 || pidfd < 0 || isHanging(peer.uid())) {
        close(connection, peer.uid());
        if (pidfd >= 0) {
          Native.close(pidfd);
        }
        continue;
      }
      welcome(new ServedProcess(peer.pid(), peer.uid(), pidfd, connection));
    }
  }

  private void welcome(ServedProcess process) {
    int status = 0;
    if (comesBack(process)) {
      status = 0; // It is counted already.
    } else if (byPidfd.size() >= limits.processes()) {
      status = -Errnos.EUSERS;
    } else if (ofUser(process.uid()) >= limits.ofUser()) {
      status = -Errnos.EDQUOT;
    }
    byConnection.put(process.connection(), process);
    int watched = poller.add(process.connection());
    if (status == 0) {
      byPidfd.put(process.pidfd(), process);
      watched = watched < 0 ? watched : poller.add(process.pidfd());
    } else {
      log.refused(process, ServeLog.CONNECTION, status);
      process.refuse(status);
      refused.add(process);
      if (refused.size() > MOST_REFUSED) {
        leave(refused.getFirst());
      }
    }
    if (watched < 0) {
      leave(process);
    }
  }

  /** {@return whether this is the only connection of a process whose grant is without one} */
  private boolean comesBack(ServedProcess process) {
    List<ServedProcess> same =
        byPidfd.values().stream().filter(each -> each.pid() == process.pid()).toList();
    return same.size() == 1
        && same.getFirst().grant() != null
        && same.getFirst().connection() == ServedProcess.NONE;
  }

  private long ofUser(int uid) {
    return byPidfd.values().stream().filter(each -> each.uid() == uid).count();
  }

  /** Reads nothing of a process, until {@link #resume}. */
  void pause(ServedProcess process) {
    poller.remove(process.connection());
  }

  /** Reads what a process sends. */
  void resume(ServedProcess process) {
    if (!process.hasLeft() && poller.add(process.connection()) < 0) {
      leave(process);
    }
  }

  /** {@return whether a process has a connection, and has not closed it} */
  boolean isConnected(ServedProcess process) {
    return process.connection() != ServedProcess.NONE
        && !sockets.isEnded(process.connection(), message.bytes());
  }

  /** Has a process that lives again talk over a connection that was made for it anew. */
  void move(ServedProcess from, ServedProcess to) {
    disconnect(to);
    boolean ignored = from.leave();
    byPidfd.remove(from.pidfd());
    poller.remove(from.pidfd());
    Native.close(from.pidfd());
    to.connect(from.releaseConnection());
    byConnection.put(to.connection(), to);
  }

  /** Watches a process that has no connection yet. */
  void adopt(ServedProcess process) throws Failure {
    byPidfd.put(process.pidfd(), process);
    watch(process.pidfd());
  }

  /** Answers that something was done, or why not. */
  void answer(ServedProcess process, int kind, int id, int status) {
    Message ignored = message.answer(kind, id, -status);
    send(process, -1);
  }

  /** Sends the message. Whoever does not read what it is sent is served no longer. */
  void send(ServedProcess process, int descriptor) {
    if (process.connection() != ServedProcess.NONE
        && sockets.send(process.connection(), message.bytes(), descriptor) < 0) {
      leave(process);
    }
  }

  private void disconnect(ServedProcess process) {
    if (process.connection() != ServedProcess.NONE) {
      int connection = process.releaseConnection();
      byConnection.remove(connection);
      poller.remove(connection);
      close(connection, process.uid());
    }
  }

  /** Ends what a process has, as its connection or the process has ended, or is refused. */
  void leave(ServedProcess process) {
    if (!process.leave()) {
      return;
    }
    disconnect(process);
    refused.remove(process);
    if (byPidfd.remove(process.pidfd()) != null) {
      poller.remove(process.pidfd());
    }
    if (process.grant() == null) {
      Native.close(process.pidfd());
    } else {
      departed.accept(process);
    }
  }

  /** {@return how many processes are served} */
  int count() {
    return (int) byPidfd.values().stream().filter(each -> each.grant() != null).count();
  }

  /** Ends what all processes have. */
  void leaveAll() {
    List.copyOf(byPidfd.values()).forEach(this::leave);
  }

  @Override
  public void close() {
    for (ServedProcess process : List.copyOf(byConnection.values())) {
      disconnect(process);
    }
    byPidfd.values().forEach(process -> Native.close(process.pidfd()));
    arena.close();
  }
}
