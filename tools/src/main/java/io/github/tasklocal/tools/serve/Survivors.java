// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Pidfds;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What an earlier serving side has left: processes that live keep theirs, all else goes. */
final class Survivors {

  private final PinFolder pins;
  private final ServeTables tables;
  private final ArrayStock stock;
  private final Registration registration;

  Survivors(PinFolder pins, ServeTables tables, ArrayStock stock, Registration registration) {
    this.registration = registration;
    this.pins = pins;
    this.tables = tables;
    this.stock = stock;
  }

  /** Gives those that live to the serving side; {@return how many} */
  int handOver(Serving serving) throws Failure, IOException {
    Map<Integer, ServeTables.Identity> processes = tables.processes();
    List<ServeTables.Grant> dead = new ArrayList<>();
    Map<Long, ServedProcess> living = new HashMap<>();
    for (ServeTables.Grant grant : tables.grants()) {
      ServedProcess process =
          tables.owner(grant.array()) == grant.token() ? living(grant, processes) : null;
      if (process == null) {
        dead.add(grant);
      } else {
        living.put(grant.token(), process);
      }
    }
    List<ServedArray> unowned = handOverArrays(living);
    unowned.forEach(array -> tables.owner(array.number(), 0));
    unowned.forEach(stock::hide);
    Set<Integer> served =
        living.values().stream().map(ServedProcess::pid).collect(Collectors.toSet());
    // One that has executed another program is there, and has an entry.
    dead.stream()
        .map(grant -> grant.process().tgid())
        .filter(pid -> processes.containsKey(pid) && !served.contains(pid))
        .distinct()
        .forEach(registration::removeAll);
    unowned.forEach(stock::remove);
    dead.forEach(grant -> tables.remove(grant.token()));
    for (ServedProcess process : living.values()) {
      serving.adopt(process);
    }
    return living.size();
  }

  /** {@return the process that has a grant, or null if it lives no more} */
  private @Nullable ServedProcess living(
      ServeTables.Grant grant, Map<Integer, ServeTables.Identity> processes) throws Failure {
    int pid = grant.process().tgid();
    if (!grant.process().equals(processes.get(pid))) {
      return null;
    }
    int pidfd = Pidfds.ofProcess(pid);
    if (Pidfds.isEnd(pidfd)) {
      return null;
    }
    if (pidfd < 0) {
      throw new Failure(
          "no pidfd of process %d, which keeps what it has, can be had (%s)"
              .formatted(pid, Errnos.name(-pidfd)),
          "raise the limit of open files (ulimit -n), and start this again");
    }
    // Its number may have become another's before the pidfd was open.
    if (!grant.process().equals(tables.identify(pid))) {
      Native.close(pidfd);
      return null;
    }
    ServedProcess process = new ServedProcess(pid, grant.uid(), pidfd, ServedProcess.NONE);
    process.grant(grant);
    return process;
  }

  /** Gives its arrays to each; {@return those that are nobody's} */
  private List<ServedArray> handOverArrays(Map<Long, ServedProcess> living) throws IOException {
    List<ServedArray> unowned = new ArrayList<>();
    for (String name : pins.names()) {
      if (!name.matches(ArrayStock.PREFIX + "[0-9]{1,5}")) {
        continue;
      }
      ServedArray array = stock.use(Integer.parseInt(name.substring(ArrayStock.PREFIX.length())));
      ServedProcess owner = living.get(tables.owner(array.number()));
      if (owner == null) {
        unowned.add(array);
      } else if (array.number() == owner.requireGrant().array()) {
        owner.arrays().addFirst(array);
      } else {
        owner.arrays().add(array);
      }
    }
    return unowned;
  }
}
