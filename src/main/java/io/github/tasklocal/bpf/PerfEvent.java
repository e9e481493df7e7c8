// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

/**
 * A perf event that runs a program of {@code SEC("perf_event")}. The numbers are those of {@code
 * perf_event_open(2)}. An event counts for one thread, on one CPU, or both.
 *
 * @param type {@code PERF_TYPE_...}, such as 1 for the kernel's own events
 * @param config which event of that type, such as 0 for a CPU's clock
 * @param samples how often the program runs: so many times in a second, or else once for so many
 *     events
 * @param perSecond which of the two
 * @param tid of the thread whose events count; 0 for the one that attaches the program, -1 for all
 * @param cpu on which they count; -1 for all
 */
public record PerfEvent(int type, long config, long samples, boolean perSecond, int tid, int cpu) {

  private static final int SOFTWARE = 1;
  private static final int CPU_CLOCK = 0;

  /**
   * Checks the arguments.
   *
   * @throws IllegalArgumentException if {@code samples} is not positive, or the event is neither of
   *     one thread nor of one CPU
   */
  public PerfEvent {
    if (samples <= 0) {
      throw new IllegalArgumentException("samples is " + samples + ": pass at least 1");
    }
    if (tid == -1 && cpu == -1) {
      throw new IllegalArgumentException(
          "an event is of one thread or of one CPU: attach one to each");
    }
  }

  /**
   * {@return what runs a program so many times in a second on a CPU, whatever runs there, also
   * nothing}
   *
   * @param cpu an online CPU
   * @param hertz at least 1; at most what {@code kernel.perf_event_max_sample_rate} allows
   */
  public static PerfEvent ofCpu(int cpu, long hertz) {
    return new PerfEvent(SOFTWARE, CPU_CLOCK, hertz, true, -1, cpu);
  }

  /**
   * {@return what runs a program so many times in each second in which a thread runs, on whatever
   * CPU}
   *
   * @param tid the kernel's id of the thread; 0 for the one that attaches the program
   * @param hertz at least 1; at most what {@code kernel.perf_event_max_sample_rate} allows
   */
  public static PerfEvent ofThread(int tid, long hertz) {
    return new PerfEvent(SOFTWARE, CPU_CLOCK, hertz, true, tid, -1);
  }
}
