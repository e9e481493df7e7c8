// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.LibBpf;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.Set;

/** A program of a {@link BpfObject}. */
public final class BpfProgram {

  /** The beginnings of iterators' sections: those that may not sleep, and those that may. */
  private static final Set<String> ITERATORS = Set.of("iter", "iter.s");

  /** The iterators that are attached to a map. */
  private static final Set<String> OVER_MAPS =
      Set.of("bpf_map_elem", "bpf_sk_storage_map", "sockmap");

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
   * {@return the program's descriptor, which the object owns}
   *
   * @throws IllegalStateException if the object is not loaded, or closed
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
   * @throws IllegalStateException if the object is not loaded, or closed
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
   * @throws IllegalStateException if the object is not loaded, or closed
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
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public MemorySegment iterate() {
    return object.whileLoaded(
        () -> {
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
   * @throws IllegalStateException if the object is not loaded, or closed
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
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public BpfLink attach() {
    return object.attach(() -> LibBpf.attachProgram(program));
  }

  @Override
  public String toString() {
    return "BpfProgram[" + name + " in " + section + "]";
  }
}
