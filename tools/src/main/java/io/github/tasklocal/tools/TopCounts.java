// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.bpf.BpfObject;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What {@code top.bpf.c} has counted since it was loaded, up to a moment.
 *
 * @param at that moment, by CLOCK_MONOTONIC, in nanoseconds
 * @param rows by value
 * @param processes by their ids, those that have registered threads
 * @param cost of the program itself
 */
record TopCounts(long at, List<Row> rows, Map<Integer, ProcessTime> processes, Cost cost) {

  /** {@code enum} in the C source: the rows that are no value's. */
  private static final int OTHERS = 0;

  private static final int NO_ENTRY = 1;
  private static final int NO_KEY = 2;
  private static final int UNSAMPLED = 3;

  private static final int MAX_ROWS = 8192;

  private static final long PROCESS_BYTES = 24;

  /** The programs, in the order of the {@code enum} in the C source. */
  enum Program {
    SWITCH,
    RUNTIME,
    WAKEUP,
    SAMPLE,
    TICK
  }

  /** Within so many nanoseconds, the program's times and those of /proc count as of one moment. */
  private static final long AT_ONCE = 3_000_000;

  /**
   * The unit of {@code /proc}'s times, on every architecture that has uptrs (sysconf's CLK_TCK).
   */
  static final long NANOS_PER_TICK = 10_000_000;

  /**
   * What threads did while they had a value.
   *
   * @param value the value
   * @param nanos how long they ran
   * @param waitNanos how long they waited for a processor
   * @param runs how often one was given a processor
   * @param voluntary how often one left it to wait for something
   * @param involuntary how often one had to leave it
   * @param threads how many there were, each counted once in each interval
   * @param samples how often one was seen running
   */
  record Row(
      SeenValue value,
      long nanos,
      long waitNanos,
      long runs,
      long voluntary,
      long involuntary,
      long threads,
      long samples) {

    static final long BYTES = 7 * Long.BYTES;

    static Row none(SeenValue value) {
      return new Row(value, 0, 0, 0, 0, 0, 0, 0);
    }

    static Row read(SeenValue value, MemorySegment row) {
      return new Row(
          value,
          row.getAtIndex(JAVA_LONG, 0),
          row.getAtIndex(JAVA_LONG, 1),
          row.getAtIndex(JAVA_LONG, 2),
          row.getAtIndex(JAVA_LONG, 3),
          row.getAtIndex(JAVA_LONG, 4),
          row.getAtIndex(JAVA_LONG, 5),
          row.getAtIndex(JAVA_LONG, 6));
    }

    Row plus(Row other) {
      return plus(other, 1);
    }

    Row minus(Row other) {
      return plus(other, -1);
    }

    private Row plus(Row other, int sign) {
      return new Row(
          value,
          // A sample credits a value before the scheduler's books do: this can be a little below 0.
          Math.max(0, nanos + sign * other.nanos),
          waitNanos + sign * other.waitNanos,
          runs + sign * other.runs,
          voluntary + sign * other.voluntary,
          involuntary + sign * other.involuntary,
          threads + sign * other.threads,
          samples + sign * other.samples);
    }

    boolean isEmpty() {
      return equals(none(value));
    }
  }

  /**
   * A process's processor time, from two sources.
   *
   * @param counted by the program, in nanoseconds
   * @param proc as {@code /proc} has it, in nanoseconds, by steps of 10 ms; below 0 if it has
   *     nothing of this process
   * @param ended whether it has ended
   */
  record ProcessTime(long counted, long proc, boolean ended) {}

  /**
   * What the programs took.
   *
   * @param runs how often each ran, by {@link Program}
   * @param nanos how long that took, from one in 64 runs that was timed
   */
  @SuppressWarnings("ArrayRecordComponent") // compared by nobody
  record Cost(long[] runs, double[] nanos) {
    Cost minus(Cost other) {
      Cost difference = new Cost(runs.clone(), nanos.clone());
      for (int i = 0; i < runs.length; i++) {
        difference.runs[i] -= other.runs[i];
        difference.nanos[i] -= other.nanos[i];
      }
      return difference;
    }

    /** {@return how long all took} */
    double all() {
      return Arrays.stream(nanos).sum();
    }

    /** {@return how long a run of a program took} */
    double each(Program program) {
      int i = program.ordinal();
      return runs[i] == 0 ? 0 : nanos[i] / runs[i];
    }
  }

  /** Reads the counts of a loaded object. */
  static final class Reader {

    private final BpfObject object;
    private final List<KeyOption> keys;
    private final Map<String, String> names;

    /** By row; a row's value never changes. */
    private final Map<Integer, SeenValue> values = new HashMap<>();

    Reader(BpfObject object, List<KeyOption> keys, Map<String, String> names) {
      this.object = object;
      this.keys = keys;
      this.names = names;
    }

    /** {@return the counts now} */
    TopCounts read() {
      run("collect");
      Map<Integer, ProcessTime> processes;
      int tries = 0;
      long start;
      do {
        start = System.nanoTime();
        run("collect_processes");
        processes = processes();
        // If this thread had to wait in between, the two times are of different moments.
      } while (System.nanoTime() - start > AT_ONCE && ++tries < 3);
      return new TopCounts(
          object.global("collected_at").get(JAVA_LONG, 0), rows(), processes, cost());
    }

    private void run(String program) {
      int status = object.program(program).run();
      if (status != 0) {
        throw new IllegalStateException(program + " returned " + status);
      }
    }

    /** {@return how often a value or a process came for which there was no room} */
    long noRoom() {
      return object.global("no_room").get(JAVA_LONG, 0)
          + object.global("no_process").get(JAVA_LONG, 0);
    }

    /** {@return how often a value was not read, as the process was exchanging it} */
    long skipped() {
      return object.global("skipped").get(JAVA_LONG, 0);
    }

    private List<Row> rows() {
      int count = Math.min(object.global("next_row").get(JAVA_INT, 0), MAX_ROWS);
      MemorySegment totals = object.global("totals");
      MemorySegment seen = object.global("values");
      long bytes = keys.size() * SeenValue.BYTES;
      List<Row> rows = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        MemorySegment total = totals.asSlice(i * Row.BYTES, Row.BYTES);
        SeenValue value = values.get(i);
        if (value == null && !Row.read(SeenValue.OTHERS, total).isEmpty()) {
          // Not before something was counted: until then, the row may still be in the making.
          value = value(i, seen.asSlice(i * bytes, bytes));
          values.put(i, value);
        }
        rows.add(value == null ? Row.none(SeenValue.OTHERS) : Row.read(value, total));
      }
      return rows;
    }

    private SeenValue value(int row, MemorySegment value) {
      return switch (row) {
        case OTHERS -> SeenValue.OTHERS;
        case NO_ENTRY -> SeenValue.NO_ENTRY_VALUE;
        case NO_KEY -> SeenValue.NO_KEY_VALUE;
        case UNSAMPLED -> SeenValue.UNSAMPLED;
        default -> SeenValue.read(value, keys, names);
      };
    }

    private Map<Integer, ProcessTime> processes() {
      int count = object.global("process_count").get(JAVA_INT, 0);
      MemorySegment totals = object.global("process_totals");
      Map<Integer, ProcessTime> processes = new HashMap<>();
      for (int i = 0; i < count; i++) {
        MemorySegment total = totals.asSlice(i * PROCESS_BYTES, PROCESS_BYTES);
        int pid = total.get(JAVA_INT, 0);
        boolean ended = total.get(JAVA_INT, 8) != 0;
        long proc = ended ? -1 : procTime(total.get(JAVA_INT, 4));
        processes.put(pid, new ProcessTime(total.get(JAVA_LONG, 16), proc, ended));
      }
      return processes;
    }

    /**
     * {@return the time of all threads of a process, ended ones too; below 0 if it cannot be read}
     * The process may just have ended, or /proc may be of other processes or hide it.
     */
    static long procTime(int pid) {
      try {
        String stat =
            Files.readString(
                Path.of("/proc", String.valueOf(pid), "stat"), StandardCharsets.ISO_8859_1);
        // The second field, the name, may be any bytes, but ends with the last bracket.
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return (Long.parseLong(fields[14 - 3]) + Long.parseLong(fields[15 - 3])) * NANOS_PER_TICK;
      } catch (IOException e) {
        return -1;
      }
    }

    private Cost cost() {
      MemorySegment total = object.global("cost_total");
      int programs = Program.values().length;
      Cost cost = new Cost(new long[programs], new double[programs]);
      for (int i = 0; i < programs; i++) {
        cost.runs[i] = total.getAtIndex(JAVA_LONG, i);
        long timed = total.getAtIndex(JAVA_LONG, programs + i);
        long nanos = total.getAtIndex(JAVA_LONG, 2 * programs + i);
        cost.nanos[i] = timed == 0 ? 0 : (double) nanos / timed * cost.runs[i];
      }
      return cost;
    }
  }
}
