// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bench.Bundled;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.SchedExt;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** The scheduler that all threads of the machine are under, until this is closed. */
final class Scheduler implements AutoCloseable {

  /**
   * Indexes into the scheduler's stats, after the number of tasks dispatched from each of four
   * classes.
   */
  private static final int PREEMPTIONS = 4;

  private static final int RESCUES = 5;
  private static final int HINTS = 6;

  private static final Duration SWITCH = Duration.ofSeconds(10);

  private final @Nullable BpfObject object;
  private final @Nullable TaskLocalMap map;

  private Scheduler(@Nullable BpfObject object, @Nullable TaskLocalMap map) {
    this.object = object;
    this.map = map;
  }

  /** {@return the kernel's own} */
  static Scheduler kernels() {
    if (SchedExt.supported() && !SchedExt.state().equals("disabled")) {
      throw new IllegalStateException(
          "another sched_ext scheduler is running, not the kernel's default: stop it");
    }
    return new Scheduler(null, null);
  }

  /** {@return ours, loaded} */
  static Scheduler load() {
    kernels().close();
    BpfObject object = Bundled.open("scx_tasklocal");
    Scheduler scheduler = null;
    try {
      object.load();
      scheduler = new Scheduler(object, TaskLocalMap.of(object.map("task_local_data_map").fd()));
      object.map("tasklocal_ops").attach();
      await("enabled");
      return scheduler;
    } catch (Throwable e) {
      if (scheduler == null) {
        object.close();
      } else {
        scheduler.close();
      }
      throw e;
    }
  }

  /** {@return what it has counted so far; the kernel's own counts nothing} */
  Stats stats() {
    if (object == null) {
      return Stats.NONE;
    }
    MemorySegment stats = object.global("stats");
    return new Stats(
        stats.getAtIndex(JAVA_LONG, PREEMPTIONS),
        stats.getAtIndex(JAVA_LONG, RESCUES),
        stats.getAtIndex(JAVA_LONG, HINTS));
  }

  /**
   * What the scheduler counts.
   *
   * @param preemptions of a running task
   * @param rescues from starving
   * @param hints that were read and found
   */
  record Stats(long preemptions, long rescues, long hints) {

    static final Stats NONE = new Stats(0, 0, 0);

    Stats since(Stats earlier) {
      return new Stats(
          preemptions - earlier.preemptions, rescues - earlier.rescues, hints - earlier.hints);
    }
  }

  /** Fails if the kernel has thrown the scheduler out meanwhile: then nothing was measured. */
  void check() {
    if (object != null && !SchedExt.state().equals("enabled")) {
      throw new IllegalStateException(
          "the kernel has unloaded the scheduler: sched_ext is %s, see dmesg"
              .formatted(SchedExt.state()));
    }
  }

  @Override
  public void close() {
    if (map != null) {
      map.close();
    }
    if (object != null) {
      object.close();
      await("disabled");
    }
  }

  private static void await(String wanted) {
    try {
      if (!SchedExt.await(wanted, SWITCH)) {
        throw new IllegalStateException(
            "sched_ext is %s after %s, not %s".formatted(SchedExt.state(), SWITCH, wanted));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    }
  }
}
