// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.kit.Patience;
import java.lang.foreign.MemoryLayout;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;

/** The threads of a process that have an entry, and the value of each, as BPF sees them. */
final class Tasks {

  /** The key whose values are seen. */
  static final TaskLocal.OfLong KEY = TaskLocal.of("soak", JAVA_LONG);

  /** What is seen of an entry whose value cannot be read; no thread sets it. */
  private static final long UNREADABLE = -1;

  private static final MemoryLayout RECORD =
      MemoryLayout.structLayout(
          JAVA_INT.withName("thread"), JAVA_INT.withName("error"), JAVA_LONG.withName("value"));

  private final BpfProgram threadId;
  private final BpfProgram entries;

  /** Looks at the calling process. */
  Tasks(BpfObject object) {
    this(object, object.program("process_id").run());
  }

  /** Looks at a process, whose id is what the program {@code process_id} returned in it. */
  Tasks(BpfObject object, int process) {
    object.global("process").set(JAVA_INT, 0, process);
    this.threadId = object.program("thread_id");
    this.entries = object.program("entries");
  }

  /** {@return the calling thread's first value, which tells BPF whose it is; add 1 for the next} */
  long first() {
    return ((long) threadId.run() << 32) + 1;
  }

  /** {@return how many of these values are their thread's own} */
  static long own(Map<Integer, Long> values) {
    return values.entrySet().stream()
        .filter(each -> each.getValue() >> 32 == each.getKey() && each.getValue().intValue() != 0)
        .count();
  }

  /** {@return the values by the kernel's ids of the threads} */
  Map<Integer, Long> values() {
    Map<Integer, Long> values = new TreeMap<>();
    entries
        .iterate()
        .elements(RECORD)
        .forEach(
            record ->
                values.put(
                    record.get(JAVA_INT, 0),
                    record.get(JAVA_INT, 4) == 0 ? record.get(JAVA_LONG, 8) : UNREADABLE));
    return values;
  }

  /** {@return the values as soon as they are right, or what is there when the time is over} */
  Map<Integer, Long> values(Predicate<Map<Integer, Long>> right) throws InterruptedException {
    Patience patience = new Patience(Patience.WAIT);
    Map<Integer, Long> values = values();
    while (!right.test(values) && !patience.isOver()) {
      Thread.sleep(1);
      values = values();
    }
    return values;
  }
}
