// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.libbpf.bpf_uprobe_opts;
import io.github.tasklocal.libbpf.libbpf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** What attaches a program or struct_ops until it is destroyed. */
@SuppressWarnings("restricted")
public final class Link {

  /** {@code BPF_TCX_INGRESS} and {@code BPF_TCX_EGRESS} of include/uapi/linux/bpf.h. */
  private static final int INGRESS = 46;

  private static final int EGRESS = 47;

  private static final int NONE = -1;

  /** libbpf's, or NULL if it has no part in this. */
  private final MemorySegment pointer;

  private final int fd;

  private Link(MemorySegment pointer, int fd) {
    this.pointer = pointer;
    this.fd = fd;
  }

  private static final class Uprobe {
    static final MethodHandle PROGRAM =
        Errno.capturing(
            libbpf_h.bpf_program__attach_uprobe_opts$address(),
            libbpf_h.bpf_program__attach_uprobe_opts$descriptor());
  }

  private static final class Perf {
    static final MethodHandle PROGRAM =
        Errno.capturing(
            libbpf_h.bpf_program__attach_perf_event$address(),
            libbpf_h.bpf_program__attach_perf_event$descriptor());
  }

  /**
   * Attaches a loaded program where its section says.
   *
   * @throws KernelException if the kernel has no such place, or refuses
   * @throws IllegalStateException if the program was not loaded
   */
  public static Link ofProgram(MemorySegment program) {
    MemorySegment link = LibBpf.attachProgram(program);
    // A USDT's link has links in it and none of its own; libbpf leaves its descriptor 0.
    return LibBpf.sectionName(program).startsWith("usdt") ? new Link(link, NONE) : of(link);
  }

  /**
   * Attaches loaded struct_ops.
   *
   * @param object the map's
   * @throws KernelException if the kernel refuses
   */
  public static Link ofStructOps(MemorySegment object, MemorySegment map) {
    return of(LibBpf.attachStructOps(object, map));
  }

  private static Link of(MemorySegment link) {
    return new Link(link, libbpf_h.bpf_link__fd(link));
  }

  /**
   * Attaches a loaded program to user code.
   *
   * @param returns whether it runs when the function returns, rather than when it begins
   * @param file the program or library; a name without a slash is looked up on PATH or where
   *     libraries lie
   * @param function which function, or null for the offset alone
   * @param offset in bytes, from the function's begin or the file's
   * @param pid of the process whose calls count; -1 for all
   * @throws NotFoundException if there is no such file or function
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the program was not loaded
   */
  public static Link ofUserCode(
      MemorySegment program,
      boolean returns,
      Path file,
      @Nullable String function,
      long offset,
      int pid) {
    int ignored = LibBpf.programFd(program);
    String operation = "attach program";
    String place = (function == null ? "" : function + " ") + "in " + file;
    String subject = LibBpf.programName(program) + " to " + place;
    if (file.toString().contains("/") && !Pin.exists(file)) {
      throw new NotFoundException(
          operation, subject, null, "there is no such file", "check the path");
    }
    String[] libbpf = {""};
    try (Arena arena = Arena.ofShared()) {
      MemorySegment options = bpf_uprobe_opts.allocate(arena);
      bpf_uprobe_opts.sz(options, bpf_uprobe_opts.sizeof());
      bpf_uprobe_opts.retprobe(options, returns);
      if (function != null) {
        bpf_uprobe_opts.func_name(options, arena.allocateFrom(function));
      }
      MemorySegment path = arena.allocateFrom(file.toString());
      return of(
          LibBpf.attach(
              () -> MethodHandles.insertArguments(Uprobe.PROGRAM, 2, pid, path, offset, options),
              program,
              operation,
              subject,
              (errno, said) -> {
                libbpf[0] = said;
                return null;
              },
              LibBpf.THROUGH_PERF_EVENTS));
    } catch (KernelException e) {
      boolean isSymbol = function != null && libbpf[0].contains("symbol");
      if ("ENOENT".equals(e.errnoName()) && (isSymbol || libbpf[0].contains("full path"))) {
        throw new NotFoundException(
            operation,
            subject,
            "ENOENT",
            (isSymbol ? "there is no such function" : "there is no such file") + libbpf[0],
            isSymbol
                ? "check the name: readelf -Ws --dyn-syms FILE; for a stripped file, give the offset"
                : "give the path with a slash");
      }
      throw e;
    }
  }

  /**
   * Attaches a loaded program to a perf event.
   *
   * @param event from {@link PerfEvents#open}; closed with the link, or if this throws
   * @throws KernelException if the kernel refuses
   */
  static Link ofPerfEvent(MemorySegment program, int event, String operation, String subject) {
    boolean done = false;
    try {
      Link link =
          of(
              LibBpf.attach(
                  () -> MethodHandles.insertArguments(Perf.PROGRAM, 2, event),
                  program,
                  operation,
                  subject,
                  (errno, said) -> null,
                  LibBpf.DIRECT));
      done = true;
      return link;
    } finally {
      if (!done) {
        Libc.close(event);
      }
    }
  }

  /**
   * Attaches a loaded program to a network interface (tcx).
   *
   * @param ingress whether it sees the packets that come in, rather than those that go out
   * @param index of the interface, in this process's network namespace
   * @param name of the interface, for messages
   * @throws NotFoundException if there is no such interface
   * @throws NotSupportedException if the kernel is older than 6.6
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the program was not loaded
   */
  public static Link ofInterface(MemorySegment program, boolean ingress, int index, String name) {
    String operation = "attach program";
    String subject = LibBpf.programName(program) + " to " + name;
    int fd =
        libbpf_h.bpf_link_create(
            LibBpf.programFd(program), index, ingress ? INGRESS : EGRESS, MemorySegment.NULL);
    if (fd == -Errno.ENODEV) {
      throw new NotFoundException(
          operation,
          subject,
          Errno.name(-fd),
          "there is no interface with index " + index,
          "look at /sys/class/net of this process's network namespace");
    }
    if (fd == -Errno.EINVAL && !KernelVersion.RUNNING.atLeast(6, 6)) {
      throw new NotSupportedException(
          operation,
          subject,
          Errno.name(-fd),
          "the kernel has no tcx",
          "needs kernel 6.6 or newer; this is " + KernelVersion.RUNNING);
    }
    if (fd < 0) {
      throw Errno.failure(operation, subject, -fd, "", SystemCall.PRIVILEGED_BPF);
    }
    return new Link(MemorySegment.NULL, fd);
  }

  /**
   * {@return the descriptor, which this link owns}
   *
   * @throws IllegalStateException if it has none
   */
  public int fd() {
    if (fd < 0) {
      throw new IllegalStateException("the link consists of others and has no descriptor");
    }
    return fd;
  }

  /** Detaches, once. */
  public void destroy() {
    if (pointer.address() == 0) {
      Libc.close(fd);
    } else {
      LibBpf.destroy(pointer);
    }
  }
}
