// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.libbpf.libc_h;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/** Events that the kernel counts, and runs a program each time that so many have happened. */
@SuppressWarnings("restricted")
public final class PerfEvents {

  // struct perf_event_attr in its first version, which every kernel takes
  // (include/uapi/linux/perf_event.h).

  private static final int BYTES = 64;
  private static final int TYPE = 0;
  private static final int SIZE = 4;
  private static final int CONFIG = 8;
  private static final int SAMPLES = 16;
  private static final int FLAGS = 40;

  /** The bit {@code freq}: SAMPLES is a frequency and no period. */
  private static final long FREQUENCY = 1L << 10;

  private static final long CLOSE_ON_EXEC = 1L << 3;

  private static final long SYS_PERF_EVENT_OPEN =
      switch (System.getProperty("os.arch", "")) {
        case "amd64" -> 298;
        default -> 241; // of the generic table, as arm64 and riscv have it
      };

  private PerfEvents() {}

  private static final class Open {
    static final MethodHandle HANDLE =
        Errno.capturing(
            libc_h.syscall.address(),
            FunctionDescriptor.of(
                JAVA_LONG, JAVA_LONG, libc_h.C_POINTER, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
            Linker.Option.firstVariadicArg(1));
  }

  /**
   * Attaches a loaded program to a new event.
   *
   * @param program of section {@code perf_event}
   * @param type {@code PERF_TYPE_...}
   * @param config which event of the type
   * @param samples after how many events the program runs, or how often in a second
   * @param perSecond which of the two
   * @param tid of the thread whose events count, -1 for all
   * @param cpu on which they count, -1 for all
   * @throws NotPermittedException if this process may not
   * @throws NotSupportedException if this machine has no such event
   * @throws KernelException if the kernel refuses for another reason
   * @throws IllegalStateException if the program was not loaded
   */
  public static Link attach(
      MemorySegment program,
      int type,
      long config,
      long samples,
      boolean perSecond,
      int tid,
      int cpu) {
    int ignored = LibBpf.programFd(program);
    String operation = "attach program";
    String subject =
        "%s to perf event %d/%d (tid %d, CPU %d)"
            .formatted(LibBpf.programName(program), type, config, tid, cpu);
    int event = LibBpfLog.during(log -> open(type, config, samples, perSecond, tid, cpu));
    return switch (-event) {
      case Errno.ENOENT, Errno.EOPNOTSUPP ->
          throw new NotSupportedException(
              operation,
              subject,
              Errno.name(-event),
              "this machine has no such event",
              "virtual machines often have no hardware events; the clock of type 1, config 0 is"
                  + " always there");
      case Errno.ESRCH ->
          throw new KernelException(
              operation, subject, "ESRCH", "there is no such thread", "check the tid");
      case Errno.ENODEV ->
          throw new KernelException(
              operation,
              subject,
              "ENODEV",
              "there is no such CPU, or it is offline",
              "online CPUs are in /sys/devices/system/cpu/online");
      case Errno.EINVAL -> {
        long most = perSecond ? mostPerSecond() : Long.MAX_VALUE;
        throw new KernelException(
            operation,
            subject,
            "EINVAL",
            samples > most
                ? "%d samples a second are more than the %d that are allowed"
                    .formatted(samples, most)
                : "the kernel makes no event of that",
            samples > most
                ? "raise sysctl kernel.perf_event_max_sample_rate, or ask for fewer"
                : "see errno 22 of perf_event_open(2)");
      }
      default -> {
        if (event < 0) {
          throw Errno.failure(operation, subject, -event, "", SystemCall.PERF_EVENT_OPEN);
        }
        yield Link.ofPerfEvent(program, event, operation, subject);
      }
    };
  }

  private static long mostPerSecond() {
    // Read at once: the kernel gives no more of such a file than the first read has room for.
    try (BufferedReader most =
        Files.newBufferedReader(Path.of("/proc/sys/kernel/perf_event_max_sample_rate"))) {
      return Long.parseLong(most.readLine());
    } catch (IOException | NumberFormatException e) {
      return Long.MAX_VALUE; // not known
    }
  }

  /** {@return a descriptor, or a negative errno} */
  private static int open(
      int type, long config, long samples, boolean perSecond, int tid, int cpu) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment attributes = arena.allocate(BYTES, Long.BYTES);
      attributes.set(JAVA_INT, TYPE, type);
      attributes.set(JAVA_INT, SIZE, BYTES);
      attributes.set(JAVA_LONG, CONFIG, config);
      attributes.set(JAVA_LONG, SAMPLES, samples);
      attributes.set(JAVA_LONG, FLAGS, perSecond ? FREQUENCY : 0);
      MemorySegment errno = Errno.allocate(arena);
      long fd =
          (long)
              Open.HANDLE.invokeExact(
                  errno,
                  SYS_PERF_EVENT_OPEN,
                  attributes,
                  (long) tid,
                  (long) cpu,
                  -1L,
                  CLOSE_ON_EXEC);
      return fd < 0 ? -Errno.of(errno) : (int) fd;
    } catch (Throwable e) {
      throw Errno.unexpected(e);
    }
  }
}
