// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.lang.foreign.Arena;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * Serves processes until it is stopped: one thread, which reads one message of each connection in
 * turn and waits for nobody.
 */
final class Serving implements AutoCloseable {

  /** How many connections are accepted before those that exist get their turn. */
  private static final int ACCEPTED_AT_ONCE = 16;

  /** Of refused processes, which are told so when they ask. */
  private static final int MOST_REFUSED = 64;

  private static final int PAUSE_MILLIS = 100;

  /**
   * How much is given.
   *
   * @param processes to how many processes
   * @param ofUser to how many of one user
   * @param arrays how many arrays each
   */
  record Limits(int processes, int ofUser, int arrays) {}

  private final Arena arena = Arena.ofShared();
  private final Sockets sockets = new Sockets(arena);
  private final Message message = new Message(arena.allocate(Message.BYTES, 8));
  private final SecureRandom random = new SecureRandom();
  private final Poller poller;
  private final int listener;
  private final ServeTables tables;
  private final ArrayStock stock;
  private final Registration registration;
  private final Limits limits;
  private final ServeLog log;

  private final Map<Integer, ServedProcess> byConnection = new HashMap<>();
  private final Map<Integer, ServedProcess> byPidfd = new HashMap<>();
  private final Map<Long, ServedProcess> byToken = new HashMap<>();

  /** Connections that were one too many, with the status that they will be told; oldest first. */
  private final Deque<ServedProcess> refused = new ArrayDeque<>();

  /** Those that wait for an array, or for the end of what their process had before. */
  private final Deque<ServedProcess> waiting = new ArrayDeque<>();

  /** Processes that have left, as long as something of theirs is there. */
  private final Map<Integer, Integer> leaving = new HashMap<>();

  /** Those of them of which nothing is left. */
  private final Queue<Integer> left = new ConcurrentLinkedQueue<>();

  private boolean accepting = true;
  private volatile boolean stopping;

  Serving(
      int listener,
      Poller poller,
      ServeTables tables,
      ArrayStock stock,
      Registration registration,
      Limits limits,
      ServeLog log)
      throws Failure {
    this.listener = listener;
    this.poller = poller;
    this.tables = tables;
    this.stock = stock;
    this.registration = registration;
    this.limits = limits;
    this.log = log;
    watch(listener);
  }

  private void watch(int descriptor) throws Failure {
    if (poller.add(descriptor) < 0) {
      throw new Failure("a descriptor cannot be watched", "raise the limit of open files");
    }
  }

  /** Ends {@link #run}, in any thread. */
  void stop() {
    stopping = true;
    poller.wake();
  }

  /** Serves until {@link #stop}. */
  void run() {
    while (!stopping) {
      int ready = poller.await(accepting ? -1 : PAUSE_MILLIS);
      if (!accepting) {
        accepting = poller.add(listener) >= 0;
      }
      for (int i = 0; i < ready; i++) {
        try {
          handle(poller.ready(i));
        } catch (RuntimeException e) {
          log.tell("failed", "failed, and goes on: " + e, "reason", e.toString());
        }
      }
    }
  }

  private void handle(int descriptor) {
    if (descriptor == listener) {
      accept();
    } else if (descriptor < 0) {
      goOn();
    } else {
      ServedProcess process = byConnection.get(descriptor);
      if (process != null) {
        read(process);
        return;
      }
      process = byPidfd.get(descriptor);
      if (process != null) {
        leave(process);
      }
    }
  }

  private void accept() {
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
      int pidfd = Sockets.peerPidfd(connection);
      if (pidfd < 0 && peer.pid() > 0) {
        pidfd = Pidfds.ofProcess(peer.pid());
      }
      if (peer.pid() <= 0 || pidfd < 0) {
        Native.close(connection);
        continue;
      }
      welcome(new ServedProcess(peer.pid(), peer.uid(), pidfd, connection));
    }
  }

  private void welcome(ServedProcess process) {
    int status = 0;
    if (byPidfd.size() >= limits.processes()) {
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
      log.refused(process, "a connection", status);
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

  private long ofUser(int uid) {
    return byPidfd.values().stream().filter(each -> each.uid() == uid).count();
  }

  private void read(ServedProcess process) {
    int size = sockets.receive(process.connection(), message.bytes());
    if (size == -Errnos.EAGAIN || size == -Errnos.EINTR) {
      return;
    }
    try {
      if (size <= 0) {
        leave(process);
      } else if (process.refusal() != 0) {
        answer(process, message.kind(), message.id(), process.refusal(), -1);
        leave(process);
      } else if (isWellFormed(size)) {
        serve(process);
      } else {
        log.refused(process, "a message", -Errnos.EPROTO);
        answer(process, message.kind(), message.id(), -Errnos.EPROTO, -1);
        leave(process);
      }
    } finally {
      sockets.closeDescriptors();
    }
  }

  private boolean isWellFormed(int size) {
    if (size != Message.BYTES || message.version() != Message.VERSION || message.status() != 0) {
      return false;
    }
    int descriptors = sockets.descriptors();
    return switch (message.kind()) {
      case Message.THREAD -> descriptors == 1;
      case Message.LEAVE -> descriptors == 0 || descriptors == 1;
      default -> descriptors == 0;
    };
  }

  private void serve(ServedProcess process) {
    int kind = message.kind();
    int id = message.id();
    switch (kind) {
      case Message.GRANT ->
          ask(process, kind, id, process.grant() != null || isServed(process) ? -Errnos.EEXIST : 0);
      case Message.ARRAY ->
          ask(
              process,
              kind,
              id,
              process.grant() == null
                  ? -Errnos.EINVAL
                  : process.arrays().size() >= limits.arrays() ? -Errnos.EDQUOT : 0);
      case Message.RESUME -> resume(process, id, message.token());
      case Message.THREAD, Message.TID ->
          answer(process, kind, id, register(process, kind == Message.THREAD), -1);
      case Message.LEAVE -> {
        int status =
            process.grant() == null
                ? -Errnos.EINVAL
                : sockets.descriptors() == 1
                    ? registration.remove(process, sockets.descriptor(0))
                    : registration.remove(process, message.token());
        answer(process, kind, id, status, -1);
      }
      default -> answer(process, kind, id, -Errnos.EOPNOTSUPP, -1);
    }
  }

  private int register(ServedProcess process, boolean byPidfd) {
    ServedArray array = process.array(message.array());
    int page = message.page();
    int start = message.start();
    if (process.grant() == null
        || array == null
        || page >= RawMaps.PAGES
        || (array.number() == process.grant().array() && page < 2)
        || start < 16
        || start > RawMaps.PAGE - 8
        || start % 8 != 0) {
      return -Errnos.EINVAL;
    }
    return byPidfd
        ? registration.set(process, sockets.descriptor(0), array, page, start)
        : registration.set(process, message.token(), array, page, start);
  }

  /** Gives a process an array now, or as soon as there is one. */
  private void ask(ServedProcess process, int kind, int id, int refusal) {
    if (refusal != 0) {
      log.refused(process, kind == Message.GRANT ? "a grant" : "an array", refusal);
      answer(process, kind, id, refusal, -1);
      return;
    }
    process.await(kind, id);
    poller.remove(process.connection()); // What it sends meanwhile comes later.
    waiting.add(process);
    goOn();
  }

  /** Serves those that wait, in order; called when there may be more to give. */
  private void goOn() {
    for (Integer pid = left.poll(); pid != null; pid = left.poll()) {
      leaving.computeIfPresent(pid, (ignored, count) -> count == 1 ? null : count - 1);
    }
    for (ServedProcess process : List.copyOf(waiting)) {
      int kind = process.waitingKind();
      if (process.hasLeft() || (kind == Message.GRANT && leaving.containsKey(process.pid()))) {
        continue;
      }
      ServedArray array = stock.take();
      int failure = array == null ? stock.failure() : 0;
      if (array == null && failure == 0) {
        return;
      }
      waiting.remove(process);
      give(process, kind, process.waitingId(), array, failure);
      process.await(0, 0);
      if (!process.hasLeft() && poller.add(process.connection()) < 0) {
        leave(process);
      }
    }
  }

  private void give(
      ServedProcess process, int kind, int id, @Nullable ServedArray array, int failure) {
    int descriptor = array == null ? failure : array.open();
    int status = descriptor < 0 ? descriptor : grant(process, kind, array);
    if (status != 0) {
      log.refused(process, kind == Message.GRANT ? "a grant" : "an array", status);
      if (array != null) {
        stock.later(
            () -> {
              stock.hide(array);
              stock.remove(array);
            });
      }
      answer(process, kind, id, status, -1);
    } else if (array != null) {
      message.answer(kind, id, 0).array(array.number());
      if (kind == Message.GRANT) {
        tellGrant(process);
      }
      send(process, descriptor);
    }
    if (descriptor >= 0) {
      Native.close(descriptor);
    }
  }

  private void tellGrant(ServedProcess process) {
    ServeTables.Grant grant = process.requireGrant();
    Message ignored =
        message.array(grant.array()).grant(RawMaps.PAGES, registration.ways(), grant.token());
  }

  /** {@return 0 once a process has an array} */
  private int grant(ServedProcess process, int kind, @Nullable ServedArray array) {
    if (array == null) {
      return -Errnos.ENOSPC;
    }
    if (kind == Message.GRANT) {
      ServeTables.Identity identity = tables.identify(process.pid());
      if (identity == null || Pidfds.isGone(process.pidfd())) {
        return -Errnos.ESRCH;
      }
      long token = newToken();
      tables.owner(array.number(), token);
      ServeTables.Grant grant =
          new ServeTables.Grant(token, array.number(), identity, process.uid());
      tables.put(grant);
      process.grant(grant);
      byToken.put(token, process);
      log.tell(
          "granted",
          "process %d (user %d) is served".formatted(process.pid(), process.uid()),
          "pid",
          process.pid(),
          "uid",
          process.uid());
    } else {
      tables.owner(array.number(), process.requireGrant().token());
    }
    process.arrays().add(array);
    return 0;
  }

  /**
   * {@return whether the same process has a grant over another connection} A grant without one is
   * no longer wanted: it goes first.
   */
  private boolean isServed(ServedProcess process) {
    for (ServedProcess each : List.copyOf(byToken.values())) {
      if (each != process && each.pid() == process.pid()) {
        if (isConnected(each)) {
          return true;
        }
        leave(each);
      }
    }
    return false;
  }

  private boolean isConnected(ServedProcess process) {
    return process.connection() != ServedProcess.NONE
        && !sockets.isEnded(process.connection(), message.bytes());
  }

  private long newToken() {
    long token;
    do {
      token = random.nextLong();
    } while ((int) token == 0 || byToken.containsKey(token));
    return token;
  }

  private void resume(ServedProcess process, int id, long token) {
    ServedProcess known = byToken.get(token);
    int status = 0;
    if (process.grant() != null) {
      status = -Errnos.EEXIST;
    } else if (known == null) {
      status = -Errnos.ESTALE;
    } else if (!known.requireGrant().process().equals(tables.identify(process.pid()))
        || known.uid() != process.uid()) {
      status = -Errnos.EPERM;
    } else if (isConnected(known)) {
      status = -Errnos.EEXIST;
    }
    if (status != 0 || known == null) {
      log.refused(process, "to resume", status);
      answer(process, Message.RESUME, id, status, -1);
      return;
    }
    disconnect(known);
    byPidfd.remove(process.pidfd());
    poller.remove(process.pidfd());
    Native.close(process.pidfd());
    boolean ignored = process.leave();
    known.connect(process.releaseConnection());
    byConnection.put(known.connection(), known);
    message.answer(Message.RESUME, id, 0);
    tellGrant(known);
    send(known, -1);
  }

  private void answer(ServedProcess process, int kind, int id, int status, int descriptor) {
    Message ignored = message.answer(kind, id, -status);
    send(process, descriptor);
  }

  /** Sends the message. Whoever does not read what it is sent is served no longer. */
  private void send(ServedProcess process, int descriptor) {
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
      Native.close(connection);
    }
  }

  /** Ends what a process has, as its connection or the process has ended, or is refused. */
  private void leave(ServedProcess process) {
    if (!process.leave()) {
      return;
    }
    disconnect(process);
    waiting.remove(process);
    refused.remove(process);
    if (byPidfd.remove(process.pidfd()) != null) {
      poller.remove(process.pidfd());
    }
    ServeTables.Grant grant = process.grant();
    if (grant == null) {
      Native.close(process.pidfd());
      return;
    }
    byToken.remove(grant.token());
    log.tell("left", "process " + process.pid() + " has left", "pid", process.pid());
    int ignored = leaving.merge(process.pid(), 1, Integer::sum);
    stock.later(() -> clear(process, grant));
  }

  private void clear(ServedProcess process, ServeTables.Grant grant) {
    List<ServedArray> arrays = List.copyOf(process.arrays());
    arrays.forEach(array -> tables.owner(array.number(), 0)); // No thread can register any more.
    arrays.forEach(stock::hide);
    if (!Pidfds.isGone(process.pidfd())) {
      registration.removeAll(process.pid());
    }
    arrays.forEach(stock::remove);
    tables.remove(grant.token());
    Native.close(process.pidfd());
    left.add(process.pid());
  }

  /** Takes over what an earlier serving side gave to a process that lives. */
  void adopt(ServedProcess process) throws Failure {
    byToken.put(process.requireGrant().token(), process);
    byPidfd.put(process.pidfd(), process);
    watch(process.pidfd());
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
