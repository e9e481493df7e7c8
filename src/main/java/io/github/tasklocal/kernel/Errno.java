// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Errno: captured in the downcall, as a name, and as an exception that says how to mend the
 * problem. The numbers are those of asm-generic, which x86-64, arm64 and riscv share.
 */
@SuppressWarnings("restricted")
public final class Errno {

  static final int EPERM = 1;
  static final int ENOENT = 2;
  static final int ESRCH = 3;
  static final int EINTR = 4;
  static final int E2BIG = 7;
  static final int EBADF = 9;
  static final int EAGAIN = 11;
  static final int ENOMEM = 12;
  static final int EACCES = 13;
  static final int EBUSY = 16;
  static final int EEXIST = 17;
  static final int ENODEV = 19;
  static final int EINVAL = 22;
  static final int ENFILE = 23;
  static final int EMFILE = 24;
  static final int ENOSPC = 28;
  static final int EPIPE = 32;
  static final int ENAMETOOLONG = 36;
  static final int ENOSYS = 38;
  static final int EPROTO = 71;
  static final int EUSERS = 87;
  static final int EPROTOTYPE = 91;
  static final int EOPNOTSUPP = 95;
  static final int ECONNRESET = 104;
  static final int ETIMEDOUT = 110;
  static final int ECONNREFUSED = 111;
  static final int ESTALE = 116;
  static final int EDQUOT = 122;
  static final int ENOTSUPP = 524;

  /** On Linux this holds errno and nothing else. */
  private static final MemoryLayout STATE = Linker.Option.captureStateLayout();

  private static final Map<Integer, String> NAMES =
      Map.ofEntries(
          Map.entry(1, "EPERM"),
          Map.entry(2, "ENOENT"),
          Map.entry(3, "ESRCH"),
          Map.entry(4, "EINTR"),
          Map.entry(5, "EIO"),
          Map.entry(6, "ENXIO"),
          Map.entry(7, "E2BIG"),
          Map.entry(8, "ENOEXEC"),
          Map.entry(9, "EBADF"),
          Map.entry(10, "ECHILD"),
          Map.entry(11, "EAGAIN"),
          Map.entry(12, "ENOMEM"),
          Map.entry(13, "EACCES"),
          Map.entry(14, "EFAULT"),
          Map.entry(15, "ENOTBLK"),
          Map.entry(16, "EBUSY"),
          Map.entry(17, "EEXIST"),
          Map.entry(18, "EXDEV"),
          Map.entry(19, "ENODEV"),
          Map.entry(20, "ENOTDIR"),
          Map.entry(21, "EISDIR"),
          Map.entry(22, "EINVAL"),
          Map.entry(23, "ENFILE"),
          Map.entry(24, "EMFILE"),
          Map.entry(25, "ENOTTY"),
          Map.entry(26, "ETXTBSY"),
          Map.entry(27, "EFBIG"),
          Map.entry(28, "ENOSPC"),
          Map.entry(29, "ESPIPE"),
          Map.entry(30, "EROFS"),
          Map.entry(31, "EMLINK"),
          Map.entry(32, "EPIPE"),
          Map.entry(33, "EDOM"),
          Map.entry(34, "ERANGE"),
          Map.entry(35, "EDEADLK"),
          Map.entry(36, "ENAMETOOLONG"),
          Map.entry(37, "ENOLCK"),
          Map.entry(38, "ENOSYS"),
          Map.entry(39, "ENOTEMPTY"),
          Map.entry(40, "ELOOP"),
          Map.entry(61, "ENODATA"),
          Map.entry(62, "ETIME"),
          Map.entry(71, "EPROTO"),
          Map.entry(75, "EOVERFLOW"),
          Map.entry(87, "EUSERS"),
          Map.entry(90, "EMSGSIZE"),
          Map.entry(91, "EPROTOTYPE"),
          Map.entry(95, "EOPNOTSUPP"),
          Map.entry(98, "EADDRINUSE"),
          Map.entry(104, "ECONNRESET"),
          Map.entry(105, "ENOBUFS"),
          Map.entry(107, "ENOTCONN"),
          Map.entry(110, "ETIMEDOUT"),
          Map.entry(111, "ECONNREFUSED"),
          Map.entry(116, "ESTALE"),
          Map.entry(122, "EDQUOT"),
          Map.entry(524, "ENOTSUPP"),
          // libbpf's own
          Map.entry(4000, "LIBBPF_ERRNO__LIBELF"),
          Map.entry(4001, "LIBBPF_ERRNO__FORMAT"),
          Map.entry(4002, "LIBBPF_ERRNO__KVERSION"),
          Map.entry(4003, "LIBBPF_ERRNO__ENDIAN"),
          Map.entry(4004, "LIBBPF_ERRNO__INTERNAL"),
          Map.entry(4005, "LIBBPF_ERRNO__RELOC"),
          Map.entry(4006, "LIBBPF_ERRNO__LOAD"),
          Map.entry(4007, "LIBBPF_ERRNO__VERIFY"),
          Map.entry(4008, "LIBBPF_ERRNO__PROG2BIG"),
          Map.entry(4009, "LIBBPF_ERRNO__KVER"),
          Map.entry(4010, "LIBBPF_ERRNO__PROGTYPE"));

  private Errno() {}

  /** {@return the name of an errno, such as {@code EPERM}} */
  public static String name(int errno) {
    return NAMES.getOrDefault(errno, "errno " + errno);
  }

  /** Links a function so that its first argument, from {@link #allocate}, receives errno. */
  static MethodHandle capturing(
      MemorySegment address, FunctionDescriptor descriptor, Linker.Option... options) {
    Linker.Option[] all = Arrays.copyOf(options, options.length + 1);
    all[options.length] = Linker.Option.captureCallState("errno");
    return Linker.nativeLinker().downcallHandle(address, descriptor, all);
  }

  static MemorySegment allocate(Arena arena) {
    return arena.allocate(STATE);
  }

  /** {@return the errno that the last failed call left} */
  static int of(MemorySegment state) {
    return state.get(JAVA_INT, 0);
  }

  /** {@return the exception for what a call through a method handle threw} */
  static RuntimeException unexpected(Throwable e) {
    return switch (e) {
      case RuntimeException ours -> ours;
      case LinkageError missing ->
          new NotSupportedException(
              "call",
              "libbpf",
              null,
              "this libbpf lacks a function: " + missing.getMessage(),
              "install libbpf 1.1 or newer");
      case Error error -> throw error;
      default -> new IllegalStateException(e);
    };
  }

  /**
   * {@return the exception for an errno of the system call bpf that needs no further explanation}
   *
   * @param operation what was tried
   * @param subject what it was tried on
   * @param errno the positive number
   */
  public static KernelException failure(String operation, String subject, int errno) {
    return failure(operation, subject, errno, "", SystemCall.BPF);
  }

  /**
   * {@return whether an errno says that a call is not for this process, or comes from a filter}
   *
   * @param calls those from which it can be
   */
  static boolean isRefusal(int errno, SystemCall... calls) {
    return errno == EPERM
        || errno == EACCES
        || errno == ENOSYS
        || Arrays.stream(calls).anyMatch(call -> call.isFiltered(errno));
  }

  /**
   * {@return the exception for an errno}
   *
   * @param operation what was tried
   * @param subject what it was tried on
   * @param errno the positive number
   * @param said what else is known, to follow the problem; may be empty
   * @param calls the system calls from which it can be
   */
  static KernelException failure(
      String operation, String subject, int errno, String said, SystemCall... calls) {
    String name = name(errno);
    for (SystemCall call : calls) {
      if (call.isFiltered(errno)) {
        return new NotPermittedException(
            operation,
            subject,
            name,
            "a seccomp filter refuses the system call " + call + " to this process" + said,
            call.cure());
      }
    }
    return switch (errno) {
      case EPERM, EACCES -> notPermitted(operation, subject, name, said, calls);
      case ENOENT ->
          new NotFoundException(
              operation, subject, name, "there is no such thing" + said, "check the name");
      case ENOSYS, ENOTSUPP ->
          new NotSupportedException(
              operation,
              subject,
              name,
              "this kernel does not do that" + said,
              KernelVersion.RUNNING.atLeast(6, 13)
                  ? seeManual(errno, calls)
                  : "needs kernel 6.13 or newer for task local data; this is "
                      + KernelVersion.RUNNING);
      case EMFILE, ENFILE ->
          new KernelException(
              operation,
              subject,
              name,
              "no file descriptor is left" + said,
              "raise the limit of open files (ulimit -n)");
      case ENOMEM ->
          new KernelException(
              operation,
              subject,
              name,
              "the kernel has no memory for it" + said,
              "raise the memory limit of the control group"
                  + (KernelVersion.RUNNING.atLeast(5, 11)
                      ? ""
                      : ", or the memlock limit (ulimit -l), to which maps count before 5.11")
                  + (Processor.lacksWideExchange()
                      ? "; or give the virtual machine a processor with cmpxchg16b (cx16), without"
                          + " which kernels from 6.19 on have no memory for any thread's entry"
                      : ""));
      default ->
          new KernelException(
              operation, subject, name, "the kernel refused it" + said, seeManual(errno, calls));
    };
  }

  private static String seeManual(int errno, SystemCall... calls) {
    return "see errno " + errno + " of " + calls[0] + "(2)";
  }

  private static NotPermittedException notPermitted(
      String operation, String subject, String name, String said, SystemCall... calls) {
    Status status = Status.ofThread();
    boolean takesAny = Arrays.stream(calls).anyMatch(SystemCall::takesCapabilities);
    List<String> lacking = takesAny ? status.lacking() : List.of();
    String problem = "not allowed to this process";
    String cure;
    if (takesAny && Status.isInUserNamespace()) {
      problem += ", whose capabilities count in its user namespace only";
      cure = "run it in the system's own: rootful, and with --userns=host";
    } else if (!lacking.isEmpty()) {
      problem += ", which lacks " + String.join(" and ", lacking);
      cure =
          status.isRoot()
              ? "give it CAP_BPF and CAP_PERFMON: docker and podman run --cap-add BPF --cap-add"
                  + " PERFMON, capabilities.add of Kubernetes, CapabilityBoundingSet= of systemd"
              : "run as root or with CAP_BPF and CAP_PERFMON";
    } else {
      String guards = Status.guards();
      problem += guards.isEmpty() ? "" : "; " + guards;
      cure = "the kernel's log (dmesg) and that of auditd may say what refused it";
    }
    return new NotPermittedException(operation, subject, name, problem + said, cure);
  }
}
