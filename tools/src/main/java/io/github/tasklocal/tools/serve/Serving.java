// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Poller;
import io.github.tasklocal.tools.system.RawMaps;
import io.github.tasklocal.tools.system.Sockets;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Serves processes until it is stopped: one thread, which reads one message of each connection in
 * turn and waits for nobody.
 */
final class Serving implements AutoCloseable {

  private static final int PAUSE_MILLIS = 100;
  private static final int FOLLOW_MILLIS = 200;

  private final int listener;
  private final Poller poller;
  private final Clients clients;
  private final Sockets sockets;
  private final Message message;
  private final Grants grants;
  private final Registration registration;
  private final ServingSide.Limits limits;
  private final ServeLog log;
  private long followed = System.nanoTime() - 1_000_000_000L;
  private volatile boolean stopping;

  /** Under the lock of this: the poller may be gone then. */
  private boolean closed;

  Serving(
      int listener,
      Poller poller,
      ServeTables tables,
      ArrayStock stock,
      Registration registration,
      ServingSide.Limits limits,
      ServeLog log)
      throws Failure {
    this.listener = listener;
    this.poller = poller;
    this.registration = registration;
    this.limits = limits;
    this.log = log;
    clients = new Clients(listener, poller, limits, log, this::takeBack);
    sockets = clients.sockets();
    message = clients.message();
    grants = new Grants(clients, tables, stock, registration, limits, log);
  }

  private void takeBack(ServedProcess process) {
    grants.takeBack(process);
  }

  /** Ends {@link #run}, in any thread, also when that has ended. */
  synchronized void stop() {
    stopping = true;
    if (!closed) {
      poller.wake();
    }
  }

  /**
   * Serves until {@link #stop}.
   *
   * @param goesOn asked from time to time whether to go on; null for yes
   */
  void run(@Nullable BooleanSupplier goesOn) {
    while (!stopping && (goesOn == null || goesOn.getAsBoolean())) {
      int ready = poller.await(clients.isAccepting() ? follow(goesOn != null) : PAUSE_MILLIS);
      boolean accepts = false;
      for (int i = 0; i < ready; i++) {
        if (poller.ready(i) == listener) {
          accepts = true;
        } else {
          handle(poller.ready(i));
        }
      }
      // Last, so that none of these has the number of a descriptor that was closed meanwhile.
      if (accepts) {
        handle(listener);
      }
    }
  }

  /** Looks for maps of others from time to time; {@return how long to wait until the next time} */
  private int follow(boolean asks) {
    if (!registration.follows()) {
      return asks ? FOLLOW_MILLIS : -1;
    }
    long now = System.nanoTime();
    if (now - followed > FOLLOW_MILLIS * 1_000_000L) {
      followed = now;
      grants.follow();
    }
    return FOLLOW_MILLIS;
  }

  private void handle(int descriptor) {
    try {
      handleReady(descriptor);
    } catch (RuntimeException e) {
      log.failed(e);
    }
  }

  private void handleReady(int descriptor) {
    if (descriptor == listener) {
      clients.accept();
    } else if (descriptor < 0) {
      grants.goOn();
    } else {
      ServedProcess process = clients.ofConnection(descriptor);
      if (process != null) {
        read(process);
        return;
      }
      process = clients.ofPidfd(descriptor);
      if (process != null) {
        clients.leave(process);
      }
    }
  }

  private void read(ServedProcess process) {
    if (clients.isHanging(process.uid())) {
      clients.leave(process); // before more of its descriptors are taken
      return;
    }
    int size = sockets.receive(process.connection(), message.bytes());
    if (size == -Errnos.EAGAIN || size == -Errnos.EINTR) {
      return;
    }
    try {
      if (size <= 0) {
        clients.leave(process);
      } else if (sockets.sender() != 0 && sockets.sender() != process.pid()) {
        // A child that has inherited the connection, or whoever was handed it.
        log.refused(
            process,
            "an answer to process " + sockets.sender(),
            -Errnos.EPERM,
            "another has connected");
        clients.answer(process, message.kind(), message.id(), -Errnos.EPERM);
      } else if (process.refusal() != 0) {
        clients.answer(process, message.kind(), message.id(), process.refusal());
        clients.leave(process);
      } else if (isWellFormed(size)) {
        serve(process);
      } else {
        log.refused(process, "an answer", -Errnos.EPROTO);
        clients.answer(process, message.kind(), message.id(), -Errnos.EPROTO);
        clients.leave(process);
      }
    } finally {
      clients.closeDescriptors(process);
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
      case Message.GRANT, Message.RESUME, Message.ARRAY, Message.TID -> descriptors == 0;
      default -> true; // of a newer protocol
    };
  }

  private void serve(ServedProcess process) {
    int kind = message.kind();
    int id = message.id();
    switch (kind) {
      case Message.GRANT ->
          grants.ask(process, kind, id, process.grant() != null ? -Errnos.EEXIST : 0);
      case Message.ARRAY ->
          grants.ask(
              process,
              kind,
              id,
              process.grant() == null
                  ? -Errnos.EINVAL
                  : process.arrays().size() >= limits.arrays() ? -Errnos.EDQUOT : 0);
      case Message.RESUME -> grants.resume(process, id, message.token());
      case Message.THREAD, Message.TID ->
          clients.answer(process, kind, id, register(process, kind == Message.THREAD));
      case Message.LEAVE -> {
        int status =
            process.grant() == null
                ? -Errnos.EINVAL
                : sockets.descriptors() == 1
                    ? registration.remove(process, sockets.descriptor(0))
                    : registration.remove(process, message.token());
        clients.answer(process, kind, id, status);
      }
      default -> clients.answer(process, kind, id, -Errnos.EOPNOTSUPP);
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

  /** Takes over what an earlier serving side gave to a process that lives. */
  void adopt(ServedProcess process) throws Failure {
    grants.adopt(process);
  }

  /** Tells what stays. */
  void tellEnd() {
    int count = clients.count();
    log.tell(
        "ended",
        count == 0
            ? "ends; no process is served"
            : "ends; %d processes keep what they have, and are seen".formatted(count),
        "kept",
        count);
  }

  /** Takes back all that was given. What is there is gone when the stock is closed. */
  void takeAllBack() {
    clients.leaveAll();
  }

  @Override
  public void close() {
    synchronized (this) {
      closed = true;
    }
    clients.close();
  }
}
