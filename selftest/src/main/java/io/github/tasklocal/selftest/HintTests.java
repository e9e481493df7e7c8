// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Hints as sched_ext's own schedulers read them, on the wires that they speak. */
final class HintTests {

  private HintTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return TestCase.onWires(
        List.of(Wire.B, Wire.C),
        "task_hint_priority, sched_ext's key, is read when its thread is put on a processor",
        false,
        Need.SHARED,
        HintTests::taskHint);
  }

  /** Keys are made by the first test that uses them, not by listing the tests. */
  private static final class Keys {
    /** A u64 to the schedulers, of which layered takes 0 to 1024. */
    static final TaskLocal.OfLong HINT = TaskLocal.of("task_hint_priority", JAVA_LONG);
  }

  private static void taskHint(Fixture fixture) throws Exception {
    int thread = fixture.loadWithoutWire("thread_id").program("thread_id").run();
    BpfObject object = fixture.load("task_hint");
    object.global("thread").set(JAVA_INT, 0, thread);
    fixture.share(object);
    object.program("look_at_hint").attach();
    for (long hint : new long[] {1, 1024, -1, 0}) {
      Keys.HINT.set(hint);
      MemorySegment switches = object.global("switches");
      long before = switches.get(JAVA_LONG, 0);
      for (int naps = 0; switches.get(JAVA_LONG, 0) == before; naps++) {
        Check.that(naps < 1000, "no program has looked at the thread in " + naps + " naps");
        Thread.sleep(1);
      }
      Check.equal(hint, object.global("hint").get(JAVA_LONG, 0), "the hint that BPF has seen");
    }
  }
}
