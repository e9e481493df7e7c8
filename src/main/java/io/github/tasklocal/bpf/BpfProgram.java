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

  /** What sections of iterators begin with: they may sleep, or not. */
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
   * {@return the program's descriptor, which stays the object's}
   *
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public int fd() {
    return object.whileLoaded(() -> LibBpf.programFd(program));
  }

  /**
   * Runs the program once, in the calling thread, without attaching it ({@code BPF_PROG_TEST_RUN}).
   * The current task that it sees is this thread's.
   *
   * @return what the program returned
   * @throws NotSupportedException if the kernel cannot run programs of this type so; it can those
   *     of {@code SEC("syscall")} and {@code SEC("raw_tp")}
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the kernel refuses for another reason
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public int run() {
    return object.whileLoaded(() -> LibBpf.run(program, MemorySegment.NULL));
  }

  /**
   * Runs the program once, in the calling thread, with a context.
   *
   * @param context what the program gets as its argument, in a form that its type knows; a {@code
   *     SEC("syscall")} program may write to it, and this segment then has what it wrote, unless it
   *     is read-only
   * @return what the program returned
   * @throws NotSupportedException if the kernel cannot run programs of this type so
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the kernel refuses for another reason
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public int run(MemorySegment context) {
    Objects.requireNonNull(context, "context is null: pass one, or call run()");
    return object.whileLoaded(
        () -> {
          // A copy: the kernel would write to a segment of any thread, closed or read-only.
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
   * Runs an iterator, such as one of {@code SEC("iter/task")}, once for each thing of its kind, and
   * gives what it wrote with {@code bpf_seq_write}, in the order in which it was written.
   *
   * <p>The walk is no snapshot: a thing that comes or goes meanwhile is in it or not. Each thing's
   * record is whole or absent; how far its values belong to one moment is up to the program. What
   * one run writes fits into 8 pages. A run that finds the kernel's buffer full is undone and made
   * again, so that a count in a map or a global may count a thing twice, where the records do not.
   * A run that returns 1 is undone, and made again for the same thing.
   *
   * <p>This costs a link, a descriptor for each of link and walk, all closed at the end, and the
   * program's runs; {@link BpfObject#close} waits for it.
   *
   * @return what it wrote, on the heap and aligned to 8 bytes; empty if that is nothing
   * @throws WrongObjectException if the program is no iterator, or one over the elements of a map
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the kernel refuses, a run wrote too much, or returned 1 again and
   *     again
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
   * once for each element. What is said of {@link #iterate()} holds here, too.
   *
   * <p>{@code SEC("iter/bpf_map_elem")} goes over hash tables and arrays. A map per CPU is gone
   * over once: the program gets the element's values of all possible CPUs in a row, each filled up
   * to a multiple of 8 bytes. The program has one run after the last element, with a key and a
   * value of NULL. An element that others insert or delete meanwhile is seen or not; others'
   * updates may be seen half-written.
   *
   * @param map a map of the same object
   * @return what it wrote, on the heap and aligned to 8 bytes; empty if that is nothing
   * @throws WrongObjectException if the program is no iterator over the elements of a map, not of
   *     maps of this type, or reads more of a key or value than there is
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the kernel refuses, a run wrote too much, or returned 1 again and
   *     again
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

  /** {@return what the program goes over, by its section} */
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
   * @return the link, which ends with the object at the latest
   * @throws NotPermittedException if this process may not
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
