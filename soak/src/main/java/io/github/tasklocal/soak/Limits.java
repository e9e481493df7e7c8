// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.LinuxKernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.ThreadPages;
import io.github.tasklocal.selftest.Check;
import io.github.tasklocal.selftest.Fixture;
import io.github.tasklocal.selftest.LibraryLog;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A process runs out of something for a while: its threads go on, the error is reported once, and
 * soon after the shortage ends BPF sees their values.
 */
final class Limits {

  private static final int THREADS = 4;

  /** Half of them use up more than a block of pages. */
  private static final int HUNGRY = 60;

  /** How many rounds of retried registrations have to fail; the first may have begun before. */
  private static final int ROUNDS = 3;

  /** How long it may take until registrations are tried again, once they can succeed. */
  private static final int SOON_MILLIS = 2_000;

  private final SoakRun run;
  private final AtomicInteger logged = new AtomicInteger();

  private Limits(SoakRun run) {
    this.run = run;
  }

  static SoakRow row() {
    return new SoakRow(
        "limits",
        "Out of descriptors, out of memory, entries refused",
        // A limit on what Java code allocates outside of the heap. A limit on all memory of the
        // process would hit the JVM's own allocations too, and the JVM ends when one of these
        // fails.
        List.of(
            "-XX:+UnlockDiagnosticVMOptions",
            "-XX:NativeMemoryTracking=summary",
            "-XX:MallocLimit=other:64m:oom",
            "-Xlog:nmt=off"),
        run -> new Limits(run).measure());
  }

  private void measure() throws Exception {
    LibraryLog log = LibraryLog.install(false, line -> logged.incrementAndGet());
    // Before the first map: until then pages come from the allocator that can be limited.
    try (Stage stage = new Stage("memory", Wire.B)) {
      stage.outOfMemory();
    }
    try (Stage stage = new Stage("descriptors", Wire.A)) {
      stage.outOfDescriptors();
    }
    try (Stage stage = new Stage("refused", Wire.C)) {
      stage.refusedEntries();
    }
    System.out.print(log.take());
  }

  /** A thread that does what it is told. */
  private static final class Worker {
    private final ExecutorService thread =
        Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().factory());
    private long value;

    <T> T ask(Callable<T> what) throws Exception {
      return thread.submit(what).get();
    }

    /** Writes what BPF is to see, and returns whether that could be done. */
    boolean write(Tasks tasks) throws Exception {
      return ask(
          () -> {
            try {
              long next = tasks.first();
              Tasks.KEY.set(next);
              value = next;
              return true;
            } catch (OutOfMemoryError e) {
              Check.contains("memory for another page", e.getMessage(), "the error");
              return false;
            }
          });
    }

    boolean hasLost() throws Exception {
      return ask(() -> value != 0 && Tasks.KEY.get() != value);
    }
  }

  /** One thing to run out of, with a map of its own. */
  private final class Stage implements AutoCloseable {
    private final String name;
    private final BpfObject object;
    private final Tasks tasks;
    private final KernelMap entries;
    private final Fixture fixture;
    private @Nullable TaskLocalMap map;

    /** Threads that have used the key before the shortage. */
    private final List<Worker> old = new ArrayList<>();

    /** Threads that have not. */
    private final List<Worker> fresh = new ArrayList<>();

    private final int loggedBefore = logged.get();

    Stage(String name, Wire wire) throws IOException {
      this.fixture = run.on(wire);
      this.name = name;
      this.object = fixture.load("soak_tasks");
      this.tasks = new Tasks(object);
      this.entries = KernelMap.duplicate(fixture.dataMap(object).fd());
    }

    /** {@return the map, which is opened at the first call} */
    private TaskLocalMap map() {
      TaskLocalMap open = map;
      if (open == null) {
        open = fixture.share(object);
        map = open;
      }
      return open;
    }

    void outOfDescriptors() throws Exception {
      start(THREADS);
      share();
      try (DescriptorLimit _ = new DescriptorLimit(1)) {
        Check.equal(0, refusedWrites(), "threads without a page");
        refusedForLong();
      }
      seenSoon();
    }

    void refusedEntries() throws Exception {
      start(THREADS);
      share();
      List<Task> tasksOfFresh = new ArrayList<>();
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment foreign = arena.allocate(map().wire().valueSize(), Long.BYTES);
        for (Worker worker : fresh) {
          Task task = worker.ask(() -> Task.of(Libc.currentTid(), Thread.currentThread()));
          Check.that(
              new TaskStorage(new LinuxKernel()).put(entries, task, foreign, false),
              "a thread ended before a foreign entry was set for it");
          tasksOfFresh.add(task);
        }
      }
      Check.equal(0, refusedWrites(), "threads without a page");
      refusedForLong();
      tasksOfFresh.forEach(task -> new TaskStorage(new LinuxKernel()).remove(entries, task));
      seenSoon();
    }

    /** Pages come in blocks, so some threads get a page even so. The map is opened afterwards. */
    void outOfMemory() throws Exception {
      start(HUNGRY);
      int refused;
      int lost;
      try (Arena taken = Arena.ofConfined()) {
        takeAll(taken);
        refused = refusedWrites();
        lost = lost();
      }
      run.some(name + ": threads without a page", refused);
      run.equal(0, name + ": values lost", lost);
      Check.equal(0, refusedWrites(), "threads still without a page");
      Check.equal(0, map().unregistered().size(), "threads refused");
      seenSoon();
    }

    /** Starts threads, half of which use the key at once. */
    private void start(int threads) throws Exception {
      for (int i = 0; i < threads; i++) {
        Worker worker = new Worker();
        Check.that(worker.ask(() -> true), "a thread did not start");
        (i % 2 == 0 ? old : fresh).add(worker);
      }
      for (Worker worker : old) {
        Check.that(worker.write(tasks), "a thread got no page");
      }
    }

    /** Opens the map, in which the threads that have used the key are seen. */
    private void share() {
      Check.equal(0, map().unregistered().size(), "threads refused before");
      Check.equal((long) old.size(), Tasks.own(tasks.values()), "values seen before");
    }

    /** Lets all write, and {@return how many had no memory for it} */
    private int refusedWrites() throws Exception {
      int refused = 0;
      for (Worker worker : all()) {
        refused += worker.write(tasks) ? 0 : 1;
      }
      return refused;
    }

    private int lost() throws Exception {
      int lost = 0;
      for (Worker worker : all()) {
        lost += worker.hasLost() ? 1 : 0;
      }
      return lost;
    }

    private void refusedForLong() throws Exception {
      long end = ThreadPages.keeperRounds() + ROUNDS;
      long ignored =
          Await.until(
              "more rounds of the keeper", ThreadPages::keeperRounds, rounds -> rounds >= end);
      int refused = map().unregistered().size();
      int records = logged.get() - loggedBefore;
      run.equal(fresh.size(), name + ": threads refused", refused);
      run.equal(1, name + ": log records", records);
      run.equal(0, name + ": values lost", lost());
    }

    private void seenSoon() throws InterruptedException {
      long start = System.nanoTime();
      long threads = all().size();
      try (Lateness clock = new Lateness()) {
        Map<Integer, Long> seen = tasks.values(values -> Tasks.own(values) == threads);
        double millis = Math.rint((System.nanoTime() - start) / 1e6);
        run.equal(threads, name + ": values seen after it", Tasks.own(seen));
        Lateness.judge(
            run,
            SOON_MILLIS,
            name + ": time until seen",
            millis,
            name + ": clock's worst delay",
            clock.millis());
      }
      run.equal(0, name + ": threads still refused", map().unregistered().size());
    }

    private List<Worker> all() {
      return Stream.concat(old.stream(), fresh.stream()).toList();
    }

    /** Allocates memory until what is left is too small for a page. */
    private static void takeAll(Arena arena) {
      for (long block = 1 << 20; block >= DataPage.SIZE; block /= 2) {
        allocateAll(arena, block);
      }
    }

    private static void allocateAll(Arena arena, long block) {
      try {
        while (true) {
          MemorySegment ignored = arena.allocate(block);
        }
      } catch (OutOfMemoryError e) {
        // All is taken now, as it should be.
      }
    }

    @Override
    public void close() {
      all().forEach(worker -> worker.thread.shutdown());
      map().close(); // or the next stage's failures would be this map's, too
      entries.close();
    }
  }
}
