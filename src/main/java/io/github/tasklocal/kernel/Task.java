// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotSupportedException;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A thread of this process as the kernel knows it, and how to check that its tid is still its own:
 * the kernel gives the tid of an ended thread to another one.
 */
public final class Task {

  private static final Path ALL = Path.of("/proc/self/task");

  /** Of {@code /proc/PID/stat}, counted from the state, which follows the name. */
  private static final int START_TIME = 19;

  private final int tid;
  private final @Nullable WeakReference<Thread> thread;
  private final long startTime;
  private final String name;

  private Task(int tid, @Nullable WeakReference<Thread> thread, long startTime, String name) {
    this.tid = tid;
    this.thread = thread;
    this.startTime = startTime;
    this.name = name;
  }

  /**
   * {@return a thread that Java knows} The tid is its own as long as the thread is alive in Java.
   *
   * @param tid the kernel's id of the thread, or 0 if that is not known
   */
  public static Task of(int tid, Thread thread) {
    return new Task(tid, new WeakReference<>(thread), 0, thread.getName());
  }

  /**
   * {@return a thread that another copy of the library has found}
   *
   * @param thread for one that Java knows, or null
   * @param startTime for one that the kernel knows, as {@link #startTime} gave it; or 0
   */
  public static Task known(
      int tid, @Nullable WeakReference<Thread> thread, long startTime, String name) {
    return new Task(tid, thread, startTime, name);
  }

  /**
   * {@return every thread of this process} Each is distinguished from others with the same tid by
   * the time at which it was started, in the kernel's ticks of 10 ms.
   *
   * @throws NotSupportedException if procfs is missing or is that of another pid namespace
   * @throws KernelException if procfs cannot be read
   */
  public static List<Task> all() {
    List<Task> tasks = new ArrayList<>();
    try {
      String self = Files.readSymbolicLink(Path.of("/proc/self")).toString();
      if (!self.equals(String.valueOf(ProcessHandle.current().pid()))) {
        throw noProcfs("it is that of another pid namespace");
      }
      // A walk ends early if the thread that it has reached ends (next_tid in fs/proc/base.c): walk
      // again until nothing new is found, or give up if new threads start faster than the walk.
      Set<Integer> tids = new HashSet<>();
      for (int walks = 0; addTids(tids) && walks < 10; ) {
        walks++;
      }
      for (int tid : tids) {
        Task task = read(tid);
        if (task != null) {
          tasks.add(task);
        }
      }
    } catch (NoSuchFileException e) {
      throw noProcfs("there is none");
    } catch (IOException e) {
      throw unreadable(ALL, e);
    }
    return tasks;
  }

  /** {@return whether there were threads that were not in the set yet} */
  private static boolean addTids(Set<Integer> tids) throws IOException {
    boolean added = false;
    try (DirectoryStream<Path> folders = Files.newDirectoryStream(ALL)) {
      for (Path folder : folders) {
        added |= tids.add(Integer.parseInt(folder.getFileName().toString()));
      }
    }
    return added;
  }

  private static NotSupportedException noProcfs(String problem) {
    return new NotSupportedException(
        "list the threads of this process in",
        ALL.toString(),
        null,
        problem,
        "run on Linux, with procfs mounted: mount -t proc proc /proc");
  }

  private static KernelException unreadable(Path path, IOException e) {
    return new KernelException(
        "read",
        path.toString(),
        null,
        String.valueOf(e.getMessage()),
        "raise the limit of open files (ulimit -n) if none is left");
  }

  /**
   * {@return the thread that has a tid now, or null if none of this process has}
   *
   * @throws KernelException if that cannot be determined
   */
  private static @Nullable Task read(int tid) {
    String stat;
    try {
      // The name may hold any byte.
      stat = Files.readString(ALL.resolve(tid + "/stat"), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      if (Files.notExists(ALL.resolve(String.valueOf(tid)))) {
        return null;
      }
      throw unreadable(ALL.resolve(String.valueOf(tid)), e); // for instance no descriptor is left
    }
    int end = stat.lastIndexOf(')');
    String[] fields = stat.substring(end + 2).split(" ", -1);
    String name = stat.substring(stat.indexOf('(') + 1, end);
    return new Task(
        tid,
        null,
        Long.parseLong(fields[START_TIME]),
        new String(name.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8));
  }

  /** {@return the thread of this process that has a tid now, or null if that is not known} */
  public static @Nullable Task ofKernel(int tid) {
    try {
      return read(tid);
    } catch (KernelException e) {
      return null;
    }
  }

  /** {@return the kernel's id of the thread, or 0 where it is not known} */
  public int tid() {
    return tid;
  }

  /** {@return its name when this was made; the kernel cuts names after 15 bytes} */
  public String name() {
    return name;
  }

  /** {@return the Java thread that this was made from, if it was} */
  public @Nullable WeakReference<Thread> thread() {
    return thread;
  }

  /** {@return its processor time so far in nanoseconds, or -1 if that is not known} */
  public long processorNanos() {
    return Libc.processorNanos(tid);
  }

  /** {@return the Java thread, if this was made from one that has not ended} */
  public @Nullable Thread liveThread() {
    Thread t = thread == null ? null : thread.get();
    return t != null && t.isAlive() ? t : null;
  }

  /**
   * {@return whether the thread has not ended, and so whether its tid is its own}
   *
   * @throws KernelException if that cannot be determined for a thread from {@link #all}
   */
  public boolean isAlive() {
    return thread == null ? isNow(tid) : liveThread() != null;
  }

  /**
   * {@return whether a thread from {@link #all} is the one that has this tid now}
   *
   * @throws KernelException if that cannot be determined
   */
  public boolean isNow(int other) {
    if (other != tid) {
      return false;
    }
    Task now = read(tid);
    return now != null && now.startTime == startTime;
  }

  /** {@return whether any thread of this process has this tid now} */
  public boolean isOurs() {
    return Files.exists(ALL.resolve(String.valueOf(tid)));
  }

  /** {@return whether two from {@link #all} are the same thread} */
  public boolean same(Task other) {
    return tid == other.tid && startTime == other.startTime;
  }

  /** {@return the start time in ticks of 10 ms since the system's start; 0 for a Java thread} */
  public long startTime() {
    return startTime;
  }

  @Override
  public String toString() {
    Thread t = liveThread();
    return "thread \"" + (t == null ? name : t.getName()) + "\" (tid " + tid + ")";
  }
}
