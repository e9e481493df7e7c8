// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.function.BooleanSupplier;

/** The workflow that the RFC shows, with many threads at once. */
final class WorkflowTests {

  private static final int ROUNDS = 3;

  private WorkflowTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return TestCase.onEachWire(
        "Many threads share ints and structs with programs on two system calls",
        WorkflowTests::workflow);
  }

  /** Keys are made by the first test that uses them, not by listing the tests. */
  private static final class Keys {
    static final StructLayout JOB =
        MemoryLayout.structLayout(
            JAVA_INT.withName("thread_id"),
            JAVA_SHORT.withName("round"),
            MemoryLayout.paddingLayout(2),
            JAVA_LONG.withName("deadline"));

    static final TaskLocal.OfInt ID = TaskLocal.of("thread_id", JAVA_INT);
    static final TaskLocal.OfSegment JOBS = TaskLocal.of("job", JOB);
    static final TaskLocal.OfInt ECHO_ID = TaskLocal.of("echo_id", JAVA_INT);
    static final TaskLocal.OfSegment ECHO_JOBS = TaskLocal.of("echo_job", JOB);
  }

  private static void workflow(Fixture fixture) throws Exception {
    BpfProgram threadId = fixture.loadWithoutWire("thread_id").program("thread_id");
    BpfObject object = fixture.open("workflow");
    Syscalls.GETPPID.write(object.global("find_syscall"));
    Syscalls.GETPGID.write(object.global("check_syscall"));
    object.load();
    TaskLocalMap map = fixture.share(object);
    object.program("find_keys").attach();
    object.program("check_values").attach();

    CyclicBarrier together = new CyclicBarrier(fixture.threads());
    Parallel.run(
        fixture.threads(),
        index -> {
          int id = threadId.run();
          Keys.ID.set(id);
          // So many at once may be too many for a serving side that has just begun.
          Await.until(
              "an entry of the thread, at a later use of the key",
              () -> Keys.ID.get() == id && !isUnregistered(map, Libc.currentTid()));
          together.await();
          callUntil(Syscalls.GETPPID, () -> Keys.ECHO_ID.get() == -id, "found the keys");
          for (short round = 0; round < ROUNDS; round++) {
            together.await();
            round(id, round);
          }
        });

    long threads = fixture.threads();
    long finds = object.global("finds").get(JAVA_LONG, 0);
    Check.that(finds >= threads, "keys were found " + finds + " times for " + threads + " threads");
    long checks = object.global("checks").get(JAVA_LONG, 0);
    Check.that(
        checks >= threads * ROUNDS, checks + " checks were made, of at least " + threads * ROUNDS);
    Check.equal(
        0L, object.global("mismatches").get(JAVA_LONG, 0), "checks in which a value was wrong");
    Check.equal(
        0L,
        object.global("not_cached").get(JAVA_LONG, 0),
        "checks that did not find the first program's offsets cached");
  }

  private static boolean isUnregistered(TaskLocalMap map, int tid) {
    return map.unregistered().stream().anyMatch(each -> each.tid() == tid);
  }

  /**
   * Since Linux 7.3 a program can be preempted, and does not run for threads that come to its
   * processor meanwhile: so the call is repeated until it has had its effect.
   */
  private static void callUntil(Syscalls syscall, BooleanSupplier effect, String what) {
    for (int calls = 0; !effect.getAsBoolean(); calls++) {
      Check.that(calls < 1000, "no program has " + what + " in " + calls + " calls");
      syscall.call();
    }
  }

  private static void round(int id, short round) {
    long deadline = id * 1000003L + round;
    MemorySegment job = Keys.JOBS.segment();
    job.set(JAVA_INT, 0, id);
    job.set(JAVA_SHORT, 4, round);
    job.set(JAVA_LONG, 8, deadline);

    MemorySegment echo = Keys.ECHO_JOBS.segment();
    callUntil(
        Syscalls.GETPGID, () -> echo.get(JAVA_SHORT, 4) == round + 1, "wrote back round " + round);

    Check.equal(id, Keys.ECHO_ID.get(), "the int that BPF read and wrote back");
    Check.equal(id, echo.get(JAVA_INT, 0), "the int of the struct that BPF wrote back");
    Check.equal(-deadline, echo.get(JAVA_LONG, 8), "its long");
  }
}
