// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * What a value costs in BPF, by the kernel's own clock, on each wire: a lookup whose offset is
 * known beside the two calls of {@code bpf_task_storage_get} that it contains, and the first search
 * for the last of all keys. The programs are those of {@code bench_lookups.bpf.c}, which take turns
 * and do their work many times in each run. Slots, which kernels without uptrs have, are compared
 * with uptrs.
 */
final class BpfCosts {

  private static final String GROUP = "bpf";
  private static final double GOAL = 1.3;
  private static final double SLOTS_GOAL = 1.1;

  private static final int PAGE = 4096;

  /** As many as a process can have, so they get a JVM of their own. */
  private static final int KEYS = 64;

  private static final int BPF_STATS_RUN_TIME = 0;

  /** The programs. */
  private enum Work {
    EMPTY,
    STORAGE,
    LOOKUP,
    FIND
  }

  private BpfCosts() {}

  static List<Row> rows(boolean quick) throws IOException {
    List<String> lines = Jvm.lines(List.of(), BpfCosts.class, quick ? "500" : "5000");
    List<Row> rows = new ArrayList<>();
    for (Wire wire : Wire.values()) {
      Measure[] costs =
          lines.stream()
              .skip((long) wire.ordinal() * Work.values().length)
              .limit(Work.values().length)
              .map(BpfCosts::measure)
              .toArray(Measure[]::new);
      rows.add(
          new Row(
              GROUP,
              "lookup, wire " + wire,
              "ns",
              costs[Work.LOOKUP.ordinal()],
              "two bpf_task_storage_get",
              costs[Work.STORAGE.ordinal()],
              GOAL,
              "The loop takes %.1f ns of both.".formatted(costs[Work.EMPTY.ordinal()].value())));
      rows.add(
          new Row(
              GROUP,
              "first lookup of key %d, wire %s".formatted(wire == Wire.A ? 64 : 63, wire),
              "ns",
              costs[Work.FIND.ordinal()],
              null,
              null,
              null,
              null));
    }
    Measure[] slots =
        lines.stream()
            .skip((long) Wire.values().length * Work.values().length)
            .map(BpfCosts::measure)
            .toArray(Measure[]::new);
    rows.add(
        new Row(
            GROUP,
            "lookup, slots",
            "ns",
            slots[0],
            "lookup, wire A",
            slots[1],
            SLOTS_GOAL,
            "Both in one loop."));
    rows.add(
        new Row(GROUP, "first lookup of key 63, slots", "ns", slots[2], null, null, null, null));
    return rows;
  }

  private static Measure measure(String line) {
    return Measure.of(Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray());
  }

  /**
   * Measures, and prints a line of nanoseconds for each wire and kind of work, then three for
   * slots: a lookup, one on wire A, and the first lookup of the last key.
   *
   * @param args how many rounds
   */
  @SuppressWarnings("try") // the map only has to be open
  public static void main(String[] args) throws IOException {
    int rounds = Integer.parseInt(args[0]);
    for (int i = 0; i < KEYS; i++) {
      TaskLocal.of("bench.%02d".formatted(i), JAVA_INT).set(i);
    }
    // The kernel measures while this descriptor is open, so it stops however this process ends.
    int statistics = enableStatistics();
    for (Wire wire : Wire.values()) {
      try (BpfObject object =
              Bundled.load("bench_lookups." + wire.name().toLowerCase(Locale.ROOT));
          TaskLocalMap ignored = TaskLocalMap.of(object.map(wire.mapName()).fd(), wire)) {
        measure(
            rounds,
            Arrays.stream(Work.values())
                .map(work -> object.program(work.name().toLowerCase(Locale.ROOT)))
                .toList());
      }
    }
    try (BpfObject slots = Bundled.load("bench_slots");
        BpfObject uptrs = Bundled.load("bench_lookups.a");
        TaskLocalMap ignored = TaskLocalMap.of(uptrs.map(Wire.A.mapName()).fd(), Wire.A)) {
      fill(slots);
      measure(
          rounds, List.of(slots.program("lookup"), uptrs.program("lookup"), slots.program("find")));
    }
    ByHand.close(statistics);
  }

  /** Makes the keys and values in slots, and gives this thread its own. */
  private static void fill(BpfObject slots) {
    MemorySegment keys = MemorySegment.ofArray(new long[PAGE / Long.BYTES]);
    MemorySegment values = MemorySegment.ofArray(new long[PAGE / Long.BYTES]);
    for (int i = 0; i < KEYS; i++) {
      int offset = 16 + i * Long.BYTES;
      keys.setString(i * 64L, "bench.%02d".formatted(i));
      keys.set(JAVA_SHORT_UNALIGNED, i * 64L + 62, (short) offset);
      values.set(JAVA_INT_UNALIGNED, offset, i);
    }
    slots.map("pages").put(number(0), keys);
    slots.map("pages").put(number(1), values);
    slots.map("tld_arrays").put(number(0), number(slots.map("pages").fd()));
    if (slots.program("enter").run() != 0) {
      throw new IllegalStateException("this thread gets no slot");
    }
  }

  private static MemorySegment number(int number) {
    return MemorySegment.ofArray(new int[] {number});
  }

  private static void measure(int rounds, List<BpfProgram> programs) throws IOException {
    double[][] samples = new double[programs.size()][rounds];
    List<Integer> turns = new ArrayList<>(IntStream.range(0, programs.size()).boxed().toList());
    for (int round = -1; round < rounds; round++) { // the first finds the key, and does not count
      Collections.rotate(turns, 1);
      for (int turn : turns) {
        double cost = cost(programs.get(turn));
        if (round >= 0) {
          samples[turn][round] = cost;
        }
      }
    }
    for (double[] each : samples) {
      StringBuilder line = new StringBuilder();
      for (double sample : each) {
        line.append(sample).append(' ');
      }
      System.out.println(line);
    }
  }

  /** {@return the nanoseconds of one piece of work, in one run of a program} */
  private static double cost(BpfProgram program) throws IOException {
    long before = nanoseconds(program);
    int done = program.run();
    long after = nanoseconds(program);
    if (done <= 0 || after <= before) {
      throw new IllegalStateException(
          "nothing to measure: %s returned %d, the number of times it did its work, and ran %d ns"
              .formatted(program, done, after - before));
    }
    return (double) (after - before) / done;
  }

  /** {@return how long all runs of a program took} */
  private static long nanoseconds(BpfProgram program) throws IOException {
    Path info = Path.of("/proc/self/fdinfo", String.valueOf(program.fd()));
    for (String line : Files.readAllLines(info)) {
      if (line.startsWith("run_time_ns:")) {
        return Long.parseLong(line.substring(line.indexOf(':') + 1).strip());
      }
    }
    throw new IllegalStateException(
        "the kernel does not report how long programs run: no run_time_ns in " + info);
  }

  private static int enableStatistics() {
    String function = "bpf_enable_stats";
    try (Arena arena = Arena.ofConfined()) {
      SymbolLookup libbpf = SymbolLookup.libraryLookup("libbpf.so.1", arena);
      int fd =
          (int)
              Linker.nativeLinker()
                  .downcallHandle(
                      libbpf.find(function).orElseThrow(),
                      FunctionDescriptor.of(JAVA_INT, JAVA_INT))
                  .invokeExact(BPF_STATS_RUN_TIME);
      if (fd < 0) {
        throw new IllegalStateException(function + " has failed: " + fd);
      }
      return fd;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
