// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NativeAccessException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.VirtualThreadException;
import io.github.tasklocal.kernel.NativeAccess;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.memory.ThreadPage;
import io.github.tasklocal.memory.ThreadPages;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A thread of this process as the kernel knows it, even one that runs no Java code, such as those
 * of the garbage collector and the JIT compiler. A key can be set for such a thread, so that a
 * scheduler can tell it from the threads that serve requests:
 *
 * {@snippet :
 * for (NativeThread thread : NativeThread.list()) {
 *   if (thread.kind() == NativeThread.Kind.GC) {
 *     PRIORITY.set(thread, 3);
 *   }
 * }
 * }
 *
 * <p>Setting a key for a thread gives it a page, which is registered with every map that is open or
 * will be, and costs as much as a thread's own first use of a key. Setting it again takes a lock
 * and a look into procfs, some twenty microseconds. A Java thread that uses a key itself later on
 * finds what was set for it before. What was set for a native thread stays when the thread attaches
 * to the virtual machine and detaches again. When the thread has ended, its page is taken back,
 * within about a second as long as a map is open.
 *
 * <p>A thread that has carried virtual threads whose values follow them (see {@link TaskLocal}) has
 * the values of whichever is mounted in its page, where nobody else may write: {@code set}, {@code
 * get}, {@code bind} and {@code segment} refuse it with a {@link VirtualThreadException}. Who goes
 * through a list of all threads has to expect that as well as the end of a thread.
 *
 * <p>A thread is not mistaken for a later one with the same tid: it is identified by its tid and
 * the time at which it was started, which the kernel counts in ticks of 10 ms. The kernel reuses a
 * tid only after all the others.
 *
 * <p>Threads come and go, even those of the garbage collector and the compiler, which the JVM
 * starts as it needs them: to reach new ones, list again from time to time. A list costs some fifty
 * microseconds for each thread.
 */
public final class NativeThread {

  /**
   * What a thread does. Java's threads are known by their processor time, which Java and the kernel
   * count alike, the others by their names. Without the module {@code java.management}, or with the
   * measurement of threads' processor time disabled, a thread is taken for one of Java if it has
   * the name of one.
   */
  public enum Kind {
    /**
     * A platform thread of Java. That includes threads of the JDK itself ({@code Finalizer}), and
     * native threads that are attached to the virtual machine.
     */
    JAVA(""),
    /**
     * A thread of HotSpot's garbage collectors: {@code GC Thread#0}, {@code G1 Conc#0}, {@code
     * ZWorkerYoung#0}, {@code Shenandoah GC T} and the like.
     */
    GC(
        "GC Thread#.*|G1 (Main Marker|Conc#.*|Refine#.*|Service|Young RemSet.*)"
            + "|Z(Worker|Driver|Director|Stat|Uncommitter|Unmapper)(Young|Old|Minor|Major)?(#.*)?"
            + "|Shenandoah (GC|Cont|Unco|Regul).*|StringDedup.*"),
    /** A JIT compiler of HotSpot or Graal: {@code C1 CompilerThre}, {@code C2 CompilerThre}. */
    JIT("C[12] CompilerThre.*|JVMCI( |-native )Co.*"),
    /** Another thread of the virtual machine: {@code VM Thread}, {@code VM Periodic Tas}. */
    VM(
        "VM Thread|VM Periodic Tas.*|Service Thread|Monitor Deflati.*|Notification Th.*"
            + "|Signal Dispatch.*|Attach Listener|Safepoint Clean.*|RuntimeWorker#.*"
            + "|JFR (Sampler|Thread Sam).*"),
    /**
     * Any other thread: of native libraries, or the process's first where the launcher runs Java in
     * another one.
     */
    OTHER("");

    private final Pattern names;

    Kind(String names) {
      this.names = Pattern.compile(names);
    }
  }

  private final Task task;
  private final Kind kind;
  private final @Nullable Thread thread;

  private NativeThread(Task task, Kind kind, @Nullable Thread thread) {
    this.task = task;
    this.kind = kind;
    this.thread = thread;
  }

  /**
   * {@return every thread of this process, by tid} Threads that start or end meanwhile may be
   * listed or not.
   *
   * @throws NotSupportedException if this is not Linux, or procfs is missing or is that of another
   *     pid namespace
   * @throws KernelException if procfs cannot be read, for instance because no file descriptor is
   *     left
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static List<NativeThread> list() {
    NativeAccess.require();
    List<Task> tasks = Task.all().stream().sorted(Comparator.comparingInt(Task::tid)).toList();
    Map<Task, Thread> known = new HashMap<>();
    for (Task task : tasks) {
      Thread thread = ThreadPages.REGISTRY.holds().threadOf(task);
      if (thread != null) {
        known.put(task, thread);
      }
    }
    Map<Task, Thread> java = JavaThreads.among(tasks, known);
    return tasks.stream()
        .map(task -> new NativeThread(task, kind(task, java.get(task)), known.get(task)))
        .toList();
  }

  /** Some of the virtual machine's own threads are threads of Java, too. */
  private static Kind kind(Task task, @Nullable Thread java) {
    if (java != null && !JavaThreads.isVirtualMachines(java)) {
      return Kind.JAVA;
    }
    return Stream.of(Kind.GC, Kind.JIT, Kind.VM)
        .filter(kind -> kind.names.matcher(task.name()).matches())
        .findFirst()
        .orElse(java == null ? Kind.OTHER : Kind.JAVA);
  }

  /** {@return the kernel's id of the thread} */
  public int tid() {
    return task.tid();
  }

  /** {@return its name when it was listed; the kernel keeps the first 15 bytes} */
  public String name() {
    return task.name();
  }

  /** {@return what the thread does, as far as that is known} */
  public Kind kind() {
    return kind;
  }

  /** {@return the Java thread, if it had used a key itself when it was listed} */
  public Optional<Thread> thread() {
    return Optional.ofNullable(thread);
  }

  /**
   * {@return whether the thread has not ended}
   *
   * @throws KernelException if that cannot be determined, for instance because no file descriptor
   *     is left
   */
  public boolean isAlive() {
    return task.isAlive();
  }

  /** A hold on the thread's page, which is made if there is none. */
  static ThreadPage page(NativeThread thread) {
    ThreadPage page = borrow(thread);
    try {
      return page.escaping();
    } finally {
      page.giveBack();
    }
  }

  /** The thread's page, which is made if there is none; held until it is given back. */
  static ThreadPage borrow(NativeThread thread) {
    return ThreadPages.REGISTRY.holds().borrow(required(thread).task);
  }

  /** The same, or null if it has none. */
  static @Nullable ThreadPage borrowIfAny(NativeThread thread) {
    return ThreadPages.REGISTRY.holds().borrowIfAny(required(thread).task);
  }

  private static NativeThread required(NativeThread thread) {
    return Objects.requireNonNull(thread, "thread is null: pass one of NativeThread.list()");
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof NativeThread that && task.same(that.task);
  }

  @Override
  public int hashCode() {
    return task.tid();
  }

  @Override
  public String toString() {
    return "NativeThread[" + task.tid() + ", \"" + task.name() + "\", " + kind + "]";
  }
}
