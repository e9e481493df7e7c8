// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.Link;
import io.github.tasklocal.kernel.PerfEvents;
import io.github.tasklocal.kernel.Pin;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.NetworkInterface;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A program of a {@link BpfObject}. */
public final class BpfProgram {

  /** The beginnings of iterators' sections: those that may not sleep, and those that may. */
  private static final Set<String> ITERATORS = Set.of("iter", "iter.s");

  /** The iterators that are attached to a map. */
  private static final Set<String> OVER_MAPS =
      Set.of("bpf_map_elem", "bpf_sk_storage_map", "sockmap");

  private static final Set<String> UPROBES =
      Set.of("uprobe", "uprobe.s", "uretprobe", "uretprobe.s");

  private static final Set<String> CLASSIFIERS = Set.of("tc", "tcx", "classifier");

  private final BpfObject object;
  private final MemorySegment program;
  private final String name;
  private final String section;

  BpfProgram(BpfObject object, MemorySegment program) {
    this.object = object;
    this.program = program;
    this.name = LibBpf.programName(program);
    this.section = LibBpf.sectionName(program);
  }

  /** {@return the name of its function in the C source} */
  public String name() {
    return name;
  }

  /** {@return its section, such as {@code tp_btf/sched_switch}} */
  public String section() {
    return section;
  }

  /**
   * {@return whether loading the object loads this program, too} From the beginning it is so for
   * all but those of {@code SEC("?...")}.
   *
   * @throws IllegalStateException if the object is closed
   */
  public boolean autoload() {
    return object.shared(() -> LibBpf.autoload(program));
  }

  /**
   * Switches the program on or off: sets whether loading the object loads this program, too. The
   * verifier does not see one that is off, and it cannot be used; the object's maps are made all
   * the same.
   *
   * @param on whether it is loaded
   * @throws IllegalStateException if the object is loaded or closed
   * @throws KernelException if libbpf refuses
   */
  public void autoload(boolean on) {
    object.beforeLoad("autoload", () -> LibBpf.setAutoload(program, on));
  }

  /**
   * {@return the program's descriptor, which the object owns}
   *
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was
   *     {@linkplain #autoload(boolean) off}
   */
  public int fd() {
    return object.whileLoaded(() -> LibBpf.programFd(program));
  }

  /**
   * Runs the program once, in the calling thread, without attaching it ({@code BPF_PROG_TEST_RUN}).
   * The program's current task is this thread's.
   *
   * @return what the program returned
   * @throws NotSupportedException if the kernel cannot run programs of this type in this way; it
   *     can run those of {@code SEC("syscall")} and {@code SEC("raw_tp")}
   * @throws NotPermittedException if this process may not run programs
   * @throws KernelException if the kernel refuses for another reason
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public int run() {
    return object.whileLoaded(() -> LibBpf.run(program, MemorySegment.NULL));
  }

  /**
   * Runs the program once, in the calling thread, with a context.
   *
   * @param context the program's argument, in the form that its type expects; what a {@code
   *     SEC("syscall")} program writes to it is copied back to this segment, unless that is
   *     read-only
   * @return what the program returned
   * @throws NotSupportedException if the kernel cannot run programs of this type in this way
   * @throws NotPermittedException if this process may not run programs
   * @throws KernelException if the kernel refuses for another reason
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public int run(MemorySegment context) {
    Objects.requireNonNull(context, "context is null: pass one, or call run()");
    return object.whileLoaded(
        () -> {
          // A copy: the kernel would write even to a segment that is closed, read-only or another
          // thread's.
          try (Arena arena = Arena.ofConfined()) {
            MemorySegment copy = arena.allocate(context.byteSize(), Long.BYTES).copyFrom(context);
            int result = LibBpf.run(program, copy);
            if (!context.isReadOnly()) {
              MemorySegment ignored = context.copyFrom(copy);
            }
            return result;
          }
        });
  }

  /**
   * Runs an iterator, such as one of {@code SEC("iter/task")}, once for each of the kernel's
   * objects of its kind, and returns what it wrote with {@code bpf_seq_write}, in the order in
   * which it was written.
   *
   * <p>The walk is not a snapshot: an object that comes or goes meanwhile may be included or not.
   * The record of each object is whole or absent; whether its values belong to one moment is up to
   * the program. One run can write at most 8 pages. If a run finds the kernel's buffer full, its
   * output is dropped and the program is run again, so that a count in a map or a global may count
   * an object twice, while the records do not. The same happens if a run returns 1.
   *
   * <p>Meanwhile this takes a link and two descriptors; {@link BpfObject#close} waits for it.
   *
   * @return what it wrote, on the heap and aligned to 8 bytes; empty if it wrote nothing
   * @throws WrongObjectException if the program is not an iterator, or is one over the elements of
   *     a map
   * @throws NotPermittedException if this process may not run iterators
   * @throws KernelException if the kernel refuses, or a run wrote too much or kept returning 1
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public MemorySegment iterate() {
    return object.whileLoaded(
        () -> {
          if (iterated().equals("cgroup")) {
            throw new WrongObjectException(
                "iterate program",
                name,
                null,
                "it goes over control groups, and none was given",
                "pass where to begin: iterate(path, order)");
          }
          if (overMap(iterated())) {
            throw new WrongObjectException(
                "iterate program",
                name,
                null,
                "it goes over the elements of a map, and none was given",
                "pass the map: iterate(map)");
          }
          return LibBpf.iterate(program, null);
        });
  }

  /**
   * Runs an iterator over the elements of a map, such as one of {@code SEC("iter/bpf_map_elem")},
   * once for each element, otherwise like {@link #iterate()}.
   *
   * <p>{@code SEC("iter/bpf_map_elem")} goes over hash tables and arrays. For a map per CPU there
   * is one run for each element: the program gets the element's values of all possible CPUs in a
   * row, each padded to a multiple of 8 bytes. After the last element the program runs once more,
   * with a key and a value of NULL. Elements that others insert or delete meanwhile may be seen or
   * not, and their updates may be seen half-written.
   *
   * @param map a map of the same object
   * @return what it wrote, on the heap and aligned to 8 bytes; empty if it wrote nothing
   * @throws WrongObjectException if the program is not an iterator over the elements of maps of
   *     this type, or reads more of a key or value than there is
   * @throws NotPermittedException if this process may not run iterators
   * @throws KernelException if the kernel refuses, or a run wrote too much or kept returning 1
   * @throws IllegalArgumentException if the map is another object's
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public MemorySegment iterate(BpfMap map) {
    Objects.requireNonNull(map, "map is null: pass the one to go over, or call iterate()");
    return object.whileLoaded(
        () -> {
          if (!overMap(iterated())) {
            // The kernel would take the map's descriptor for a thread id, for instance.
            throw new WrongObjectException(
                "iterate over map",
                map.name() + " with program " + name,
                null,
                "it goes over no map, its section is " + section,
                "put it into SEC(\"iter/bpf_map_elem\"), or call iterate()");
          }
          return LibBpf.iterate(program, map.pointerIn(object));
        });
  }

  /**
   * Runs an iterator over control groups, one of {@code SEC("iter/cgroup")}, once for each of them,
   * otherwise like {@link #iterate()}. After the last it runs once more, with a control group of
   * NULL.
   *
   * @param group where the walk begins: a directory of the unified hierarchy (cgroup2), such as
   *     {@code /sys/fs/cgroup}
   * @param order over which control groups the walk goes
   * @return what it wrote, on the heap and aligned to 8 bytes; empty if it wrote nothing
   * @throws NotFoundException if there is no such directory
   * @throws WrongObjectException if the program is not an iterator over control groups, or the
   *     directory is not one of cgroup2
   * @throws NotPermittedException if this process may not run iterators
   * @throws KernelException if the kernel refuses, or a run wrote too much or kept returning 1
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public MemorySegment iterate(Path group, CgroupOrder order) {
    Objects.requireNonNull(group, "group is null: name a directory of cgroup2");
    Objects.requireNonNull(order, "order is null: say over which control groups to go");
    return object.whileLoaded(
        () -> {
          String operation = "iterate over control groups";
          if (!iterated().equals("cgroup")) {
            throw new WrongObjectException(
                operation,
                "with program " + name,
                null,
                "it goes over no control groups, its section is " + section,
                "put it into SEC(\"iter/cgroup\"), or call iterate()");
          }
          if (!Pin.exists(group)) {
            throw new NotFoundException(
                operation, group.toString(), null, "there is no such directory", "check the path");
          }
          if (!Pin.exists(group.resolve("cgroup.controllers"))) {
            throw new WrongObjectException(
                operation,
                group.toString(),
                null,
                "it is no directory of cgroup2",
                "name one under the mount of type cgroup2: /sys/fs/cgroup, or"
                    + " /sys/fs/cgroup/unified");
          }
          return LibBpf.iterateCgroups(program, order.number(), inode(group));
        });
  }

  /** A control group's id (kernfs_id in include/linux/kernfs.h, where an inode has 64 bits). */
  private static long inode(Path group) {
    try {
      return (long) Files.getAttribute(group, "unix:ino");
    } catch (IOException e) {
      throw new KernelException(
          "read",
          group.toString(),
          null,
          String.valueOf(e.getMessage()),
          "check that it still exists");
    }
  }

  /** {@return what the program goes over, from its section} */
  private String iterated() {
    int slash = section.indexOf('/');
    if (slash < 0 || !ITERATORS.contains(section.substring(0, slash))) {
      throw new WrongObjectException(
          "iterate program",
          name,
          null,
          "it is no iterator, its section is " + section,
          "put it into SEC(\"iter/task\") or another iterator's; run() and attach() are for other"
              + " programs");
    }
    return section.substring(slash + 1);
  }

  private static boolean overMap(String iterated) {
    return OVER_MAPS.contains(iterated);
  }

  /**
   * Attaches the program where its section says.
   *
   * @return the link, which is closed with the object at the latest
   * @throws NotPermittedException if this process may not attach programs
   * @throws KernelException if the kernel has no such place, or refuses
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public BpfLink attach() {
    return object.attach(() -> Link.ofProgram(program));
  }

  /**
   * Attaches a program of {@code SEC("uprobe")} to the begin of a function of user code, or one of
   * {@code SEC("uretprobe")} to its return. The file has to have the function's symbol. Code that
   * is mapped later, by processes that start later, is included.
   *
   * @param file the program or library; a name without a slash is looked up on {@code PATH}, or
   *     where libraries lie: {@code Path.of("libc.so.6")}
   * @param function the name of its symbol
   * @param pid of the process whose calls count; 0 for this one, -1 for all
   * @return the link, which is closed with the object at the latest
   * @throws NotFoundException if there is no such file or function
   * @throws WrongObjectException if the program is of another section
   * @throws NotPermittedException if this process may not attach programs
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public BpfLink attachUprobe(Path file, String function, int pid) {
    Objects.requireNonNull(function, "function is null: name one, or pass an offset");
    return attachUprobe(file, function, 0, pid);
  }

  /**
   * Attaches a program of {@code SEC("uprobe")} or {@code SEC("uretprobe")} to an instruction of
   * user code, otherwise like {@link #attachUprobe(Path, String, int)}.
   *
   * @param file the program or library
   * @param offset where the instruction lies in the file
   * @param pid of the process whose calls count; 0 for this one, -1 for all
   * @return the link, which is closed with the object at the latest
   * @throws NotFoundException if there is no such file
   * @throws WrongObjectException if the program is of another section
   * @throws NotPermittedException if this process may not attach programs
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public BpfLink attachUprobe(Path file, long offset, int pid) {
    return attachUprobe(file, null, offset, pid);
  }

  private BpfLink attachUprobe(Path file, @Nullable String function, long offset, int pid) {
    Objects.requireNonNull(file, "file is null: name a program or library");
    int process = pid == 0 ? Math.toIntExact(ProcessHandle.current().pid()) : pid;
    return object.attach(
        () -> {
          requireSection(UPROBES, "to user code", "SEC(\"uprobe\") or SEC(\"uretprobe\")");
          return Link.ofUserCode(
              program, head().startsWith("uretprobe"), file, function, offset, process);
        });
  }

  /**
   * Attaches a program of {@code SEC("perf_event")} to an event that this makes.
   *
   * {@snippet :
   * for (int cpu : online) {
   *   object.program("sample").attach(PerfEvent.ofCpu(cpu, 99));
   * }
   * }
   *
   * @param event what runs the program, and how often
   * @return the link, which is closed with the object at the latest
   * @throws WrongObjectException if the program is of another section
   * @throws NotPermittedException if this process may not observe these events
   * @throws NotSupportedException if this machine has no such event
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public BpfLink attach(PerfEvent event) {
    Objects.requireNonNull(event, "event is null: pass one, or call attach()");
    int tid = event.tid() == 0 ? Libc.currentTid() : event.tid();
    return object.attach(
        () -> {
          requireSection(Set.of("perf_event"), "to a perf event", "SEC(\"perf_event\")");
          return PerfEvents.attach(
              program,
              event.type(),
              event.config(),
              event.samples(),
              event.perSecond(),
              tid,
              event.cpu());
        });
  }

  /**
   * Attaches a program of {@code SEC("tc")} to the packets that come in by a network interface,
   * behind other programs there (tcx). Loading such a program takes CAP_NET_ADMIN as well.
   *
   * @param network an interface of this process's network namespace
   * @return the link, which is closed with the object at the latest
   * @throws NotFoundException if the interface is gone
   * @throws WrongObjectException if the program is of another section
   * @throws NotPermittedException if this process may not attach programs
   * @throws NotSupportedException if the kernel is older than 6.6
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public BpfLink attachIngress(NetworkInterface network) {
    return attach(network, true);
  }

  /**
   * Attaches a program of {@code SEC("tc")} to the packets that go out by a network interface,
   * otherwise like {@link #attachIngress}.
   *
   * @param network an interface of this process's network namespace
   * @return the link, which is closed with the object at the latest
   * @throws NotFoundException if the interface is gone
   * @throws WrongObjectException if the program is of another section
   * @throws NotPermittedException if this process may not attach programs
   * @throws NotSupportedException if the kernel is older than 6.6
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the object is not loaded, or closed, or this program was off
   */
  public BpfLink attachEgress(NetworkInterface network) {
    return attach(network, false);
  }

  private BpfLink attach(NetworkInterface network, boolean ingress) {
    Objects.requireNonNull(network, "network is null: name an interface");
    return object.attach(
        () -> {
          requireSection(CLASSIFIERS, "to a network interface", "SEC(\"tc\")");
          return Link.ofInterface(program, ingress, network.getIndex(), network.getName());
        });
  }

  /** {@return the section's part before the slash, which tells the type} */
  private String head() {
    int slash = section.indexOf('/');
    return slash < 0 ? section : section.substring(0, slash);
  }

  private void requireSection(Set<String> heads, String where, String cure) {
    if (!heads.contains(head())) {
      throw new WrongObjectException(
          "attach program",
          name + " " + where,
          null,
          "its section is " + section,
          "put it into " + cure);
    }
  }

  @Override
  public String toString() {
    return "BpfProgram[" + name + " in " + section + "]";
  }
}
