// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.kit.Patience;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.selftest.Check;
import io.github.tasklocal.selftest.Fixture;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Threads that write, while the BPF programs of {@code soak_values} read on all wires. */
final class AllWires {

  private static final int WRITERS = 4;
  private static final int LOOKS = 2_000;
  private static final int WORDS = 7;
  private static final int MIX = 0x9e3779b1;

  private static final TaskLocal.OfInt INT = TaskLocal.of("soak_int", JAVA_INT);
  private static final TaskLocal.OfLong LONG = TaskLocal.of("soak_long", JAVA_LONG);
  private static final TaskLocal.OfSegment CHECKED =
      TaskLocal.of(
          "soak_checked",
          MemoryLayout.structLayout(
              JAVA_INT.withName("sequence"),
              MemoryLayout.paddingLayout(4),
              MemoryLayout.sequenceLayout(WORDS, JAVA_LONG)));
  private static final TaskLocal.OfSegment PLAIN =
      TaskLocal.of("soak_plain", MemoryLayout.sequenceLayout(WORDS, JAVA_LONG));

  /** What has to be seen on each wire, however long that takes. */
  private static final List<String> SEEN =
      List.of("numbers", "numbers_at_switch", "checked", "plain", "half_plain");

  private AllWires() {}

  static SoakRow row() {
    return new SoakRow(
        "all-wires", "Readers and writers on all wires", List.of("-Xmx256m"), AllWires::measure);
  }

  private static void measure(SoakRun run) throws Exception {
    int seconds = run.times(60, 10);
    List<BpfObject> objects = new ArrayList<>();
    for (Wire wire : Wire.values()) {
      Fixture fixture = run.on(wire);
      BpfObject object = fixture.load("soak_values");
      fixture.share(object);
      Check.equal(0, object.program("watch_this_process").run(), "naming the process to BPF");
      object.global("looks").set(JAVA_INT, 0, LOOKS);
      objects.add(object);
    }
    BpfProgram threadId = objects.getFirst().program("thread_id");
    try (Writers writers = new Writers(WRITERS, index -> writer(threadId.run()))) {
      objects.forEach(object -> object.program("switched").attach());
      try (Writers readers =
          new Writers(
              objects.size(),
              index -> {
                BpfProgram others = objects.get(index).program("others");
                return round -> {
                  MemorySegment ignored = others.iterate();
                };
              })) {
        for (int i = 0; i < seconds * 10; i++) {
          Thread.sleep(100);
          run.progress(i / 10, seconds, "seconds");
        }
        Patience patience = new Patience(Patience.WAIT);
        while (!SEEN.stream().allMatch(each -> least(objects, each) > 0) && !patience.isOver()) {
          Thread.sleep(100);
        }
        run.any("rounds of %d writers".formatted(WRITERS), writers.rounds());
        run.any("rounds of %d readers".formatted(objects.size()), readers.rounds());
      }
    }
    run.some("ints and longs read, each wire", least(objects, "numbers"));
    run.some("of them as threads are switched", least(objects, "numbers_at_switch"));
    run.equal(0, "of them another thread's", sum(objects, "foreign"));
    run.equal(0, "of them torn", sum(objects, "torn"));
    run.some("checked structs, each wire", least(objects, "checked"));
    run.equal(0, "of them half-written", sum(objects, "half_checked"));
    run.any("tries that met the writer", sum(objects, "busy"));
    run.some("plain structs, each wire", least(objects, "plain"));
    run.some("of them half-written, to compare", least(objects, "half_plain"));
    run.equal(0, "structs of another thread", sum(objects, "foreign_structs"));
  }

  private static long sum(List<BpfObject> objects, String counter) {
    return objects.stream().mapToLong(each -> each.global(counter).get(JAVA_LONG, 0)).sum();
  }

  private static long least(List<BpfObject> objects, String counter) {
    return objects.stream()
        .mapToLong(each -> each.global(counter).get(JAVA_LONG, 0))
        .min()
        .orElse(0);
  }

  private static Writers.Work writer(int thread) {
    return round -> {
      int sequence = (int) round;
      long value = (long) (sequence * MIX ^ thread) << 32 | (sequence & 0xffff_ffffL);
      INT.set(thread << 10 | (sequence & 1023));
      LONG.set(value);
      CHECKED.update(struct -> fill(struct, 8, value));
      fill(PLAIN.segment(), 0, value);
    };
  }

  /** Fills words of a struct by plain stores. */
  private static void fill(MemorySegment struct, long from, long value) {
    for (int i = 0; i < WORDS; i++) {
      struct.set(JAVA_LONG, from + i * JAVA_LONG.byteSize(), value);
    }
  }
}
