// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.memory.VirtualThreads;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Which of the kernel's threads are Java's. Java tells no thread's tid. A name tells little: the
 * main thread has that of the process, as each thread has that a launcher or a native library
 * starts. But Java tells the processor time of a thread to the nanosecond, by the same clock by
 * which the kernel tells it for a tid: a thread's time lies between two looks of Java's, which are
 * the same while the thread waits.
 */
final class JavaThreads {

  /** How many bytes of a name the kernel keeps. */
  private static final int NAME_BYTES = 15;

  /** How often to look: the times of threads that run move apart. */
  private static final int LOOKS = 3;

  private final Thread[] threads = all();
  private final List<Task> tasks;

  /** By thread: those that may be it. */
  private final Map<Thread, List<Task>> candidates = new HashMap<>();

  private JavaThreads(List<Task> tasks) {
    this.tasks = tasks;
  }

  /**
   * {@return the threads of some tasks, as far as they are Java's}
   *
   * @param known those that are known already
   */
  static Map<Task, Thread> among(List<Task> tasks, Map<Task, Thread> known) {
    Map<Task, Thread> found = new HashMap<>(known);
    int current = Libc.currentTid();
    tasks.stream()
        .filter(task -> task.tid() == current)
        .filter(task -> !VirtualThreads.isMounted(Thread.currentThread()))
        .forEach(task -> found.put(task, Thread.currentThread()));
    JavaThreads others =
        new JavaThreads(tasks.stream().filter(task -> !found.containsKey(task)).toList());
    ThreadMXBean bean = bean();
    for (int i = 0; i < LOOKS; i++) {
      others.look(bean);
    }
    for (Thread thread : others.threads) {
      if (!found.containsValue(thread)) {
        others.of(thread).forEach(task -> found.put(task, thread));
      }
    }
    return found;
  }

  private static @Nullable ThreadMXBean bean() {
    try {
      ThreadMXBean bean = ManagementFactory.getThreadMXBean();
      return bean.isThreadCpuTimeSupported() && bean.isThreadCpuTimeEnabled() ? bean : null;
    } catch (LinkageError e) {
      return null; // a runtime without the module
    }
  }

  private static long[] times(Thread[] threads, @Nullable ThreadMXBean bean) {
    return Arrays.stream(threads)
        .mapToLong(thread -> bean == null ? -1 : bean.getThreadCpuTime(thread.threadId()))
        .toArray();
  }

  private void look(@Nullable ThreadMXBean bean) {
    long[] before = times(threads, bean);
    NavigableMap<Long, List<Task>> byTime = new TreeMap<>();
    for (Task task : tasks) {
      byTime.computeIfAbsent(task.processorNanos(), time -> new ArrayList<>()).add(task);
    }
    long[] after = times(threads, bean);
    List<Task> unknown = byTime.getOrDefault(-1L, List.of());
    for (int i = 0; i < threads.length; i++) {
      String name = cut(threads[i].getName());
      List<Task> now = new ArrayList<>();
      if (!threads[i].isAlive()) {
        candidates.remove(threads[i]);
        continue;
      }
      if (before[i] < 0 || after[i] < before[i]) {
        tasks.stream().filter(task -> task.name().equals(name)).forEach(now::add);
      } else {
        byTime.subMap(before[i], true, after[i], true).values().forEach(now::addAll);
        unknown.stream().filter(task -> task.name().equals(name)).forEach(now::add);
      }
      candidates.merge(
          threads[i],
          now,
          (earlier, later) -> {
            earlier.retainAll(later);
            return earlier;
          });
    }
  }

  /** {@return the thread's tasks: one, or those between which nothing decides} */
  private List<Task> of(Thread thread) {
    List<Task> all = candidates.getOrDefault(thread, List.of());
    String name = cut(thread.getName());
    List<Task> named = all.stream().filter(task -> task.name().equals(name)).toList();
    return named.isEmpty() && all.size() == 1 ? all : named;
  }

  /** {@return whether a thread may be one that the virtual machine has made for itself} */
  static boolean isVirtualMachines(Thread thread) {
    ThreadGroup group = thread.getThreadGroup();
    return group != null && group.getParent() == null;
  }

  /** {@return the live platform threads} */
  private static Thread[] all() {
    ThreadGroup root = Thread.currentThread().getThreadGroup();
    for (ThreadGroup up = root; up != null; up = up.getParent()) {
      root = up;
    }
    if (root == null) {
      return new Thread[0];
    }
    Thread[] threads = new Thread[root.activeCount() * 2 + 64];
    int count = root.enumerate(threads);
    return Arrays.copyOf(threads, count);
  }

  private static String cut(String name) {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    return new String(bytes, 0, Math.min(bytes.length, NAME_BYTES), StandardCharsets.UTF_8);
  }
}
