// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What an earlier serving side has left: processes that live keep theirs, all else goes. */
final class Survivors {

  private final PinFolder pins;
  private final ServeTables tables;
  private final ArrayStock stock;

  Survivors(PinFolder pins, ServeTables tables, ArrayStock stock) {
    this.pins = pins;
    this.tables = tables;
    this.stock = stock;
  }

  /** Gives those that live to the serving side; {@return how many} */
  int handOver(Serving serving) throws Failure, IOException {
    Map<Long, ServedProcess> living = new HashMap<>();
    List<Long> dead = new ArrayList<>();
    Map<Integer, ServeTables.Identity> processes = tables.processes();
    for (ServeTables.Grant grant : tables.grants()) {
      int pid = grant.process().tgid();
      int pidfd = grant.process().equals(processes.get(pid)) ? Pidfds.ofProcess(pid) : -1;
      // Its number may have become another's before the pidfd was open.
      if (pidfd >= 0 && grant.process().equals(tables.identify(pid))) {
        ServedProcess process = new ServedProcess(pid, grant.uid(), pidfd, ServedProcess.NONE);
        living.put(grant.token(), process);
        process.grant(grant);
        continue;
      }
      if (pidfd >= 0) {
        Native.close(pidfd);
      }
      dead.add(grant.token());
    }
    handOverArrays(living);
    dead.forEach(tables::remove);
    for (ServedProcess process : living.values()) {
      serving.adopt(process);
    }
    return living.size();
  }

  private void handOverArrays(Map<Long, ServedProcess> living) throws IOException {
    for (String name : pins.names()) {
      if (!name.matches(ArrayStock.PREFIX + "[0-9]{1,5}")) {
        continue;
      }
      ServedArray array = stock.use(Integer.parseInt(name.substring(ArrayStock.PREFIX.length())));
      long token = tables.owner(array.number());
      ServedProcess owner = living.get(token);
      if (owner == null) {
        tables.owner(array.number(), 0);
        stock.remove(array);
      } else if (array.number() == owner.requireGrant().array()) {
        owner.arrays().addFirst(array);
      } else {
        owner.arrays().add(array);
      }
    }
  }
}
