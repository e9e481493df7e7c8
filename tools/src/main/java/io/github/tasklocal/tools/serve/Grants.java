// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Pidfds;
import io.github.tasklocal.tools.system.RawMaps;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/** Gives arrays to processes, and takes them back. For the thread that serves. */
final class Grants {

  private final SecureRandom random = new SecureRandom();
  private final Clients clients;
  private final ServeTables tables;
  private final ArrayStock stock;
  private final Registration registration;
  private final ServingSide.Limits limits;
  private final ServeLog log;
  private final Map<Long, ServedProcess> byToken = new HashMap<>();

  /** The same by pid: one process has one grant. */
  private final Map<Integer, ServedProcess> byPid = new HashMap<>();

  /** How many arrays each user's processes have. */
  private final Map<Integer, Integer> arraysByUser = new HashMap<>();

  /** Those that wait for an array, or for the end of what their process had before. */
  private final Turns waiting = new Turns();

  /** Processes that have left, as long as something of theirs is there. */
  private final Map<Integer, Integer> leaving = new HashMap<>();

  /** Those of them of which nothing is left. */
  private final Queue<Integer> left = new ConcurrentLinkedQueue<>();

  Grants(
      Clients clients,
      ServeTables tables,
      ArrayStock stock,
      Registration registration,
      ServingSide.Limits limits,
      ServeLog log) {
    this.clients = clients;
    this.tables = tables;
    this.stock = stock;
    this.registration = registration;
    this.limits = limits;
    this.log = log;
  }

  /** Gives a process an array now, or as soon as there is one. */
  void ask(ServedProcess process, int kind, int id, int refusal) {
    if (refusal != 0) {
      log.refused(process, kind == Message.GRANT ? "a grant" : "an array", refusal);
      clients.answer(process, kind, id, refusal);
      return;
    }
    process.await(kind, id);
    clients.pause(process); // What it sends meanwhile comes later.
    waiting.add(process);
    goOn();
  }

  /** Serves those that wait, in turn; called when there may be more to give. */
  void goOn() {
    for (Integer pid = left.poll(); pid != null; pid = left.poll()) {
      leaving.computeIfPresent(pid, (ignored, count) -> count == 1 ? null : count - 1);
    }
    boolean isEmpty = false;
    for (ServedProcess process : waiting.inTurn()) {
      int kind = process.waitingKind();
      if (process.hasLeft() || !clients.isConnected(process)) {
        // It may have waited too long for its taste. Nothing is spent on it.
        waiting.remove(process);
        clients.leave(process);
        continue;
      }
      boolean served = kind == Message.GRANT && isServed(process);
      if (kind == Message.GRANT && leaving.containsKey(process.pid())) {
        continue;
      }
      int failure = served ? -Errnos.EEXIST : hasAll(process.uid()) ? -Errnos.EDQUOT : 0;
      ServedArray array = null;
      if (failure == 0) {
        array = isEmpty ? null : stock.take();
        failure = isEmpty || array != null ? 0 : stock.failure();
        if (array == null && failure == 0) {
          isEmpty = true; // Those that are refused are told so at once.
          continue;
        }
      }
      waiting.take(process);
      try {
        give(process, kind, process.waitingId(), array, failure);
      } finally {
        process.await(0, 0);
        clients.resume(process);
      }
    }
  }

  /** {@return whether a user has as many arrays as one may have} */
  private boolean hasAll(int uid) {
    return arraysByUser.getOrDefault(uid, 0) >= limits.arraysOfUser();
  }

  private void give(
      ServedProcess process, int kind, int id, @Nullable ServedArray array, int failure) {
    int descriptor = array == null ? failure : array.open();
    int status = descriptor < 0 ? descriptor : tryGrant(process, kind, array);
    if (status != 0) {
      String what = kind == Message.GRANT ? "a grant" : "an array";
      if (status == -Errnos.EDQUOT) {
        log.refused(process, what, status, "more than --max-pages-per-user");
      } else {
        log.refused(process, what, status);
      }
      if (array != null) {
        stock.later(
            () -> {
              stock.hide(array);
              stock.remove(array);
            });
      }
      clients.answer(process, kind, id, told(status));
    } else if (array != null) {
      clients.message().answer(kind, id, 0).array(array.number());
      if (kind == Message.GRANT) {
        tellGrant(process);
      }
      clients.send(process, descriptor);
    }
    if (descriptor >= 0) {
      Native.close(descriptor);
    }
  }

  /** {@return what a process is told: that we lack descriptors would read as if it did} */
  private static int told(int status) {
    return switch (-status) {
      case Errnos.EEXIST, Errnos.EDQUOT, Errnos.ENOSPC, Errnos.ESRCH -> status;
      default -> -Errnos.ENOMEM;
    };
  }

  private void tellGrant(ServedProcess process) {
    ServeTables.Grant grant = process.requireGrant();
    Message ignored =
        clients
            .message()
            .array(grant.array())
            .grant(RawMaps.PAGES, registration.ways(), grant.token());
  }

  private int tryGrant(ServedProcess process, int kind, @Nullable ServedArray array) {
    try {
      return grant(process, kind, array);
    } catch (TaskLocalException e) {
      log.failed(e); // without a descriptor or memory; the process asks again
      return -Errnos.ENOMEM;
    }
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
      know(process);
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
    count(process, 1);
    return 0;
  }

  private void know(ServedProcess process) {
    byToken.put(process.requireGrant().token(), process);
    byPid.put(process.pid(), process);
    count(process, process.arrays().size());
  }

  private void forget(ServedProcess process) {
    byToken.remove(process.requireGrant().token());
    byPid.remove(process.pid(), process);
    count(process, -process.arrays().size());
  }

  private void count(ServedProcess process, int more) {
    arraysByUser.merge(process.uid(), more, (now, change) -> now == -change ? null : now + change);
  }

  /**
   * {@return whether the same process has a grant over another connection} A grant without one is
   * no longer wanted: it goes first.
   */
  private boolean isServed(ServedProcess process) {
    ServedProcess known = byPid.get(process.pid());
    if (known == null || known == process) {
      return false;
    }
    if (clients.isConnected(known)) {
      return true;
    }
    clients.leave(known);
    return false;
  }

  private long newToken() {
    long token;
    do {
      token = random.nextLong();
    } while ((int) token == 0 || byToken.containsKey(token));
    return token;
  }

  /** Lets a process go on that has had a grant over an earlier connection. */
  void resume(ServedProcess process, int id, long token) {
    ServedProcess known = byToken.get(token);
    int status = 0;
    if (process.grant() != null) {
      status = -Errnos.EEXIST;
    } else if (known == null) {
      status = -Errnos.ESTALE;
    } else if (known.pid() != process.pid()) {
      status = -Errnos.EPERM;
    } else if (clients.isConnected(known)) {
      status = -Errnos.EEXIST;
    } else if (!clients.isConnected(process)) {
      status = -Errnos.EPIPE; // It has not waited, and its grant must not end with this connection.
    } else if (!known.requireGrant().process().equals(tables.identify(process.pid()))) {
      // It has executed another program. The look at all tasks is the last check, and ends what it
      // had, so that nobody can have it done again and again.
      status = -Errnos.EPERM;
      clients.leave(known);
    }
    if (status != 0 || known == null) {
      log.refused(process, "to resume", status);
      clients.answer(process, Message.RESUME, id, status);
      return;
    }
    waiting.remove(known); // What it asked for over the earlier connection is answered nowhere.
    known.await(0, 0);
    clients.move(process, known);
    clients.message().answer(Message.RESUME, id, 0);
    tellGrant(known);
    clients.send(known, -1);
  }

  /** Takes back what a process has that has left. */
  void takeBack(ServedProcess process) {
    ServeTables.Grant grant = process.requireGrant();
    forget(process);
    log.tell("left", "process " + process.pid() + " has left", "pid", process.pid());
    int ignored = leaving.merge(process.pid(), 1, Integer::sum);
    List<ServedArray> arrays = new ArrayList<>(process.arrays());
    stock.later(() -> clear(process, grant, arrays));
  }

  /**
   * Can be done again from the beginning after any failure.
   *
   * @param arrays those that the process has still; none when this is done
   */
  private void clear(ServedProcess process, ServeTables.Grant grant, List<ServedArray> arrays) {
    arrays.forEach(array -> tables.owner(array.number(), 0)); // No thread can register any more.
    arrays.forEach(stock::hide);
    if (!Pidfds.isGone(process.pidfd())) {
      registration.removeAll(process.pid());
    }
    while (!arrays.isEmpty()) {
      stock.remove(arrays.removeLast()); // another's from then on
    }
    tables.remove(grant.token());
    Native.close(process.pidfd());
    left.add(process.pid());
  }

  /** Looks for maps of others, and registers threads with them. */
  void follow() {
    registration.follow(byToken.values(), log);
  }

  /** Takes over what an earlier serving side gave to a process that lives. */
  void adopt(ServedProcess process) throws Failure {
    know(process);
    clients.adopt(process);
  }
}
