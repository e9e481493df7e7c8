// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NativeAccessException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.kernel.NativeAccess;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.memory.ThreadPage;
import io.github.tasklocal.memory.ThreadPages;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
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
   * What a thread does, as far as its name tells. A Java thread that has used no key and is named
   * like a thread of the virtual machine, such as {@code GC Thread#0}, is taken for one.
   */
  public enum Kind {
    /**
     * A platform thread of Java: one that has used a key, or has the name of a platform thread that
     * is alive. That includes threads of the JDK itself ({@code Finalizer}).
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
    /** Any other thread: of native libraries, or the process's first, which waits for the JVM. */
    OTHER("");

    private final Pattern names;

    Kind(String names) {
      this.names = Pattern.compile(names);
    }
  }

  /** How many bytes of a name the kernel keeps. */
  private static final int NAME_BYTES = 15;

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
    Set<String> names = javaNames();
    int main = names.contains("main") ? main(tasks) : 0;
    return tasks.stream()
        .map(
            task -> {
              Thread thread = ThreadPages.REGISTRY.threadOf(task);
              boolean java = thread != null || task.tid() == main;
              return new NativeThread(task, java ? Kind.JAVA : kind(task, names), thread);
            })
        .toList();
  }

  private static Kind kind(Task task, Set<String> names) {
    for (Kind kind : List.of(Kind.GC, Kind.JIT, Kind.VM)) {
      if (kind.names.matcher(task.name()).matches()) {
        return kind;
      }
    }
    return names.contains(task.name()) ? Kind.JAVA : Kind.OTHER;
  }

  /**
   * The launcher runs Java's main in its second thread, which keeps the name of the process, as the
   * first does.
   */
  private static int main(List<Task> tasks) {
    int first = Math.toIntExact(ProcessHandle.current().pid());
    String process =
        tasks.stream().filter(each -> each.tid() == first).map(Task::name).findFirst().orElse("");
    return tasks.stream()
        .filter(each -> each.tid() != first && each.name().equals(process))
        .mapToInt(Task::tid)
        .findFirst()
        .orElse(0);
  }

  /** {@return the names of the live platform threads as the kernel shows them} */
  private static Set<String> javaNames() {
    ThreadGroup root = Thread.currentThread().getThreadGroup();
    for (ThreadGroup up = root; up != null; up = up.getParent()) {
      root = up;
    }
    Set<String> names = new HashSet<>();
    if (root != null) {
      Thread[] threads = new Thread[root.activeCount() * 2 + 64];
      int count = root.enumerate(threads);
      for (Thread each : Arrays.copyOf(threads, count)) {
        names.add(cut(each.getName()));
      }
    }
    return names;
  }

  private static String cut(String name) {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    return new String(bytes, 0, Math.min(bytes.length, NAME_BYTES), StandardCharsets.UTF_8);
  }

  /** {@return the kernel's id of the thread} */
  public int tid() {
    return task.tid();
  }

  /** {@return its name when it was listed; the kernel keeps the first 15 bytes} */
  public String name() {
    return task.name();
  }

  /** {@return what the thread does, as far as its name tells} */
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
  ThreadPage page() {
    ThreadPage page = borrow();
    try {
      return page.escaping();
    } finally {
      page.giveBack();
    }
  }

  /** The thread's page, which is made if there is none; held until it is given back. */
  ThreadPage borrow() {
    return ThreadPages.REGISTRY.borrow(task);
  }

  /** The same, or null if it has none. */
  @Nullable ThreadPage borrowIfAny() {
    return ThreadPages.REGISTRY.borrowIfAny(task);
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
