// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.ServeProcess;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.selftest.Fixture;
import java.io.IOException;
import java.util.Collection;
import java.util.List;
import java.util.Map;

/** A serving side, and what a BPF program sees of the processes that it serves. */
final class Served {

  private final Fixture fixture;
  private final ServeProcess side;
  private final BpfObject object;
  private final boolean slots;
  private long wrong;
  private long looks;

  /**
   * Starts one, which ends with the row.
   *
   * @param slots whether values are behind slots, as on kernels without uptrs
   */
  Served(SoakRun run, boolean slots) throws IOException {
    this.fixture = run.on(Wire.A);
    this.slots = slots;
    this.side =
        fixture.closing(
            slots
                ? new ServeProcess(fixture.pin("tasklocal"), "--slots")
                : new ServeProcess(fixture.pin("tasklocal")));
    this.object = fixture.open(slots ? "soak_slots" : "soak_tasks");
    for (String map : slots ? List.of("tld_arrays", "tld_slot_map") : List.of(Wire.A.mapName())) {
      object.map(map).pinPath(side.byName(map));
    }
    object.load();
  }

  ServeProcess side() {
    return side;
  }

  /** {@return a new process that is served, with its threads, which ends with the row} */
  ServedProcess process(int threads) throws IOException {
    return fixture.closing(new ServedProcess(side.socket(), threads));
  }

  /** {@return the values of a process, by thread} Counts those that are not their thread's. */
  Map<Integer, Long> values(ServedProcess process) {
    Map<Integer, Long> values = new Tasks(object, process.pid()).values();
    looks++;
    wrong +=
        values.entrySet().stream()
            .filter(each -> each.getValue() != 0 && each.getValue() >> 32 != each.getKey())
            .count();
    return values;
  }

  /**
   * {@return how many threads of these processes have the last value that they were told to set}
   */
  long seen(Collection<ServedProcess> processes) {
    long seen = 0;
    for (ServedProcess process : processes) {
      seen +=
          values(process).values().stream()
              .filter(value -> value.intValue() == process.value())
              .count();
    }
    return seen;
  }

  /** {@return how many threads of these processes have an entry} */
  long entries(Collection<ServedProcess> processes) {
    return processes.stream().mapToLong(process -> values(process).size()).sum();
  }

  /** {@return how many values were not their thread's} */
  long wrong() {
    return wrong;
  }

  /** {@return how often the values of a process were looked at} */
  long looks() {
    return looks;
  }

  /** {@return the arrays that are left of others, once it has ended} */
  long arraysAfterTheEnd() {
    side.end();
    return side.arrays();
  }

  @Override
  public String toString() {
    return slots ? "slots" : "uptrs";
  }
}
