// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.libbpf.libc_h;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * A system call that containers' seccomp filters refuse, and whether one does so here. Such a
 * filter answers with an errno of its choice, mostly that of a lacking permission (EPERM) or of an
 * old kernel (ENOSYS), before the kernel sees the call.
 */
enum SystemCall {
  BPF(321, 280),
  /** The same, with a command that takes capabilities. */
  PRIVILEGED_BPF(321, 280),
  PIDFD_OPEN(434, 434),
  PERF_EVENT_OPEN(298, 241);

  /** BPF_OBJ_GET, which takes no capability where not all commands do. */
  private static final long COMMAND = 7;

  private final long number;

  /**
   * Describes a system call.
   *
   * @param amd64 its number there
   * @param others its number on arm64 and riscv64, which have those of asm-generic
   */
  SystemCall(long amd64, long others) {
    this.number =
        switch (System.getProperty("os.arch", "")) {
          case "amd64" -> amd64;
          case "aarch64", "riscv64" -> others;
          default -> -1;
        };
  }

  private static final class Linked {
    static final MethodHandle SYSCALL =
        Errno.capturing(
            libc_h.syscall.address(),
            FunctionDescriptor.of(
                JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
            Linker.Option.firstVariadicArg(1));
  }

  /**
   * {@return whether a seccomp filter answers the calling thread's calls with an errno} Found out
   * by a call that would get another errno from the kernel. False if that cannot be known.
   */
  boolean isFiltered(int errno) {
    return number >= 0
        && errno != ofProbe()
        && Status.ofThread().isFiltered()
        && !isKernels(errno)
        && errno == probe();
  }

  private boolean isBpf() {
    return this == BPF || this == PRIVILEGED_BPF;
  }

  /** {@return whether the kernel gives it to processes with capabilities alone} */
  boolean takesCapabilities() {
    return this == PRIVILEGED_BPF
        || this == PERF_EVENT_OPEN
        || (this == BPF && !KernelVersion.RUNNING.atLeast(5, 19));
  }

  /** {@return whether the kernel may say so itself, whatever the call is for} */
  private boolean isKernels(int errno) {
    return switch (errno) {
      case Errno.ENOSYS -> // built without it, or too old
          switch (this) {
            case BPF, PRIVILEGED_BPF ->
                Files.notExists(Path.of("/proc/sys/kernel/unprivileged_bpf_disabled"));
            case PIDFD_OPEN -> !KernelVersion.RUNNING.atLeast(5, 3);
            case PERF_EVENT_OPEN ->
                Files.notExists(Path.of("/proc/sys/kernel/perf_event_paranoid"));
          };
      case Errno.EPERM -> // to a process without CAP_BPF
          isBpf()
              && !KernelVersion.RUNNING.atLeast(5, 19)
              && !Status.ofThread().lacking().isEmpty();
      default -> false;
    };
  }

  /** {@return the errno of a call that the kernel refuses at once, and that changes nothing} */
  private int probe() {
    return switch (this) {
      case BPF, PRIVILEGED_BPF -> call(COMMAND, 0, 1 << 20, 0, 0);
      case PIDFD_OPEN -> call(0, -1, 0, 0, 0);
      case PERF_EVENT_OPEN -> call(0, 0, -1, -1, -1);
    };
  }

  /** {@return the kernel's own errno to that} */
  private int ofProbe() {
    return isBpf()
        ? Errno.E2BIG // more attributes than a page has, which it looks at first
        : Errno.EINVAL; // unknown flags
  }

  private int call(long first, long second, long third, long fourth, long fifth) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = Errno.allocate(arena);
      long result =
          (long) Linked.SYSCALL.invokeExact(state, number, first, second, third, fourth, fifth);
      return result < 0 ? Errno.of(state) : 0;
    } catch (Throwable e) {
      throw Errno.unexpected(e);
    }
  }

  /** {@return what lets the call pass} */
  String cure() {
    String ofDefault =
        switch (this) {
          case BPF ->
              "; or share values through a serving side, tasklocal-tools.jar serve, which takes"
                  + " none: mount the folder of its socket, /run/tasklocal";
          case PRIVILEGED_BPF ->
              "; Docker's own lets it pass with --cap-add BPF from version 23 on, those of older"
                  + " Docker and of Podman 4.3 with --cap-add SYS_ADMIN only";
          case PERF_EVENT_OPEN ->
              "; Docker's own lets it pass with --cap-add PERFMON from version 23 on, those of"
                  + " older Docker and of Podman 4.3 with --cap-add SYS_ADMIN only";
          case PIDFD_OPEN -> "";
        };
    return ("allow %s in the seccomp profile: --security-opt seccomp=PROFILE.json of docker and"
                + " podman, securityContext.seccompProfile of Kubernetes, SystemCallFilter= of systemd")
            .formatted(this)
        + ofDefault;
  }

  @Override
  public String toString() {
    return isBpf() ? "bpf" : name().toLowerCase(Locale.ROOT);
  }
}
