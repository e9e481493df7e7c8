// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/**
 * Virtual threads that take turns on one carrier, while BPF reads the carrier's task: several words
 * that are the same as long as they belong to one thread. Arguments: a compiled program, its wire.
 */
public final class VirtualMixtureChild {

  private static final int WORDS = 7;

  private static final TaskLocal.OfSegment RECORD =
      TaskLocal.of(
          "record",
          MemoryLayout.structLayout(
              JAVA_INT.withName("sequence"),
              JAVA_INT,
              MemoryLayout.sequenceLayout(WORDS, JAVA_LONG)));
  private static final TaskLocal.OfLong NUMBER = TaskLocal.of("number", JAVA_LONG);

  private static final CountDownLatch SET = new CountDownLatch(2);
  private static volatile boolean done;
  private static volatile int tid;

  private VirtualMixtureChild() {}

  public static void main(String[] arguments) throws Exception {
    Wire wire = Wire.valueOf(arguments[1]);
    try (BpfObject object = BpfObject.load(Path.of(arguments[0]));
        TaskLocalMap map = TaskLocalMap.of(object.map(wire.mapName()).fd())) {
      List<Thread> threads =
          List.of(
              Thread.ofVirtual().start(() -> turns(1)), Thread.ofVirtual().start(() -> turns(2)));
      SET.await();
      Counts counts = new Counts(object);
      Await.until("mixtures that a plain reader sees, and values of one thread", counts::isEnough);
      done = true;
      for (Thread each : threads) {
        each.join();
      }
      System.out.println(counts + ", failures " + map.failures());
    }
  }

  @SuppressWarnings("ThreadPriorityCheck") // the other one is to run
  private static void turns(long number) {
    RECORD.update(
        bytes -> {
          for (int i = 0; i < WORDS; i++) {
            bytes.set(JAVA_LONG, (i + 1) * 8L, number);
          }
        });
    NUMBER.set(number);
    tid = Libc.currentTid();
    SET.countDown();
    while (!done) {
      Thread.yield();
    }
  }

  /** What the program has counted. */
  private record Counts(BpfObject object) {

    boolean isEnough() {
      try (Arena arena = Arena.ofConfined()) {
        int result = object.program("read_task").run(arena.allocateFrom(JAVA_INT, tid, 10_000));
        if (result != 0) {
          throw new AssertionError("the program's answer is " + result);
        }
      }
      return count(0) >= 10 && count(2) >= 100_000 && count(5) >= 100_000;
    }

    private long count(int index) {
      MemorySegment counts = object.global("counts");
      return counts.getAtIndex(JAVA_LONG, index);
    }

    @Override
    public String toString() {
      return "wrong %d, copies wrong %d (mixtures %d, right %d, skipped %d, copies right %d, skipped %d)"
          .formatted(count(1), count(4), count(0), count(2), count(3), count(5), count(6));
    }
  }
}
