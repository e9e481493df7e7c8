// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.management.TaskLocalMXBean;
import io.github.tasklocal.management.TaskLocalMXBean.MapView;
import io.github.tasklocal.management.TaskLocalMXBean.ThreadView;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** Events of the JDK's Flight Recorder. For one thread at a time, the keeper. */
@SuppressWarnings("UnusedVariable") // the recorder reads the events' fields
final class Flight {

  /** After this time it is said again what has not changed, for a recording that began later. */
  private static final long AGAIN_NANOS = TimeUnit.MINUTES.toNanos(1);

  private final TaskLocalMXBean bean;

  /** What was said last of each map, and of which threads. */
  private final Map<String, String> said = new HashMap<>();

  private final Set<String> threads = new HashSet<>();

  private long began = System.nanoTime();

  Flight(TaskLocalMXBean bean) {
    this.bean = bean;
  }

  @Name("io.github.tasklocal.Map")
  @Label("Task Local Map")
  @Category("Task Local Data")
  @Description("A map that shares threads' values with BPF programs, or that is waited for")
  @StackTrace(false)
  private static final class MapEvent extends Event {
    @Label("Map")
    @Nullable String map;

    @Label("State")
    @Description("attached, served or waiting")
    @Nullable String state;

    @Label("Wire")
    @Nullable String wire;

    @Label("Threads")
    @Description("Live threads that have an entry")
    int threads;

    @Label("Waiting Threads")
    @Description("Live threads that are seen from their next use of a key on")
    int waiting;

    @Label("Unregistered Threads")
    @Description("Other live threads that should have an entry and do not")
    int unregistered;

    @Label("Unseen Virtual Threads")
    @Description("Virtual threads that have used a key since the process began, unseen by BPF")
    long unseen;

    @Label("Unseen Reason")
    @Description("Why the last of them is not seen")
    @Nullable String unseenReason;

    @Label("Failures")
    @Description("Registrations and removals of entries that have failed")
    int failures;

    @Label("Failures by Kind")
    @Description("Those of all open maps, counted by the exception and the errno")
    @Nullable String failureKinds;

    @Label("Problem")
    @Description("What has failed last, or what is waited for")
    @Nullable String problem;
  }

  @Name("io.github.tasklocal.UnshownThread")
  @Label("Unshown Thread")
  @Category("Task Local Data")
  @Description("A thread whose values a map does not show")
  @StackTrace(false)
  private static final class ThreadEvent extends Event {
    @Label("Map")
    @Nullable String map;

    @Label("Thread Name")
    @Nullable String threadName;

    @Label("Thread ID of the Kernel")
    int tid;

    @Label("Reason")
    @Nullable String reason;
  }

  /** Says what has changed, if anything is recorded. */
  void look() {
    if (!FlightRecorder.isInitialized()) {
      return;
    }
    long now = System.nanoTime();
    boolean isAgain = now - began >= AGAIN_NANOS;
    began = isAgain ? now : began;
    if (new MapEvent().isEnabled()) {
      sayMaps(isAgain);
    } else {
      said.clear();
    }
    if (new ThreadEvent().isEnabled()) {
      sayThreads(isAgain);
    } else {
      threads.clear();
    }
  }

  private void sayMaps(boolean isAgain) {
    Map<String, String> now = new HashMap<>();
    long unseen = bean.getUnseenVirtualThreads();
    String reason = bean.getUnseenReason();
    String kinds = bean.getFailures().toString();
    for (MapView view : bean.getMaps()) {
      String all =
          view.state()
              + ' '
              + view.threads()
              + ' '
              + view.waiting()
              + ' '
              + view.unregistered()
              + ' '
              + view.failures()
              + ' '
              + unseen
              + ' '
              + reason
              + ' '
              + view.problem();
      if (isAgain || !all.equals(said.get(view.name()))) {
        MapEvent event = new MapEvent();
        event.map = view.name();
        event.state = view.state();
        event.wire = view.wire();
        event.threads = view.threads();
        event.waiting = view.waiting();
        event.unregistered = view.unregistered();
        event.unseen = unseen;
        event.unseenReason = reason;
        event.failures = view.failures();
        event.failureKinds = kinds;
        event.problem = view.problem();
        event.commit();
      }
      String ignored = now.put(view.name(), all);
    }
    said.clear();
    said.putAll(now);
  }

  private void sayThreads(boolean isAgain) {
    Set<String> now = new HashSet<>();
    for (ThreadView view : bean.getUnshownThreads()) {
      String all = view.map() + ' ' + view.tid() + ' ' + view.reason();
      if (isAgain || !threads.contains(all)) {
        ThreadEvent event = new ThreadEvent();
        event.map = view.map();
        event.threadName = view.thread();
        event.tid = view.tid();
        event.reason = view.reason();
        event.commit();
      }
      boolean ignored = now.add(all);
    }
    threads.clear();
    boolean ignored = threads.addAll(now);
  }
}
