// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfLink;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.kit.Patience;
import io.github.tasklocal.kit.SchedExt;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The project's scheduler, on kernels with sched_ext. The tests measure how the processors are
 * shared, in wide bounds: an emulated machine is slow, but not unfair.
 */
final class SchedulerTests {

  private static final int CPUS = Runtime.getRuntime().availableProcessors();
  private static final long MILLI = 1_000_000;

  /** The unit of the processor times in {@code /proc/stat}. */
  private static final long TICK = 10 * MILLI;

  /** A shell that runs an endless loop in a child process until the shell's standard input ends. */
  private static final String ENDLESS = "while :; do :; done & read x; kill $!";

  private static final ThreadMXBean CPU = ManagementFactory.getThreadMXBean();

  /** How much time of each processor is shared out: enough for many turns of each thread. */
  private static final long WINDOW = 1500 * MILLI;

  /** How long the measuring thread sleeps between two looks. */
  private static final long REST = 50 * MILLI;

  /** About twenty times the longest wait that the scheduler promises to few threads. */
  private static final long LONGEST_WAIT = 5000 * MILLI;

  private SchedulerTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return Suite.of(
        test("A scheduler takes the machine and gives it back", SchedulerTests::takesAndGivesBack),
        test("A scheduler ends with its process", SchedulerTests::endsWithItsProcess),
        test("Higher classes come first, lower ones do not starve", SchedulerTests::classes),
        test("A thread that wakes preempts a lower class", SchedulerTests::preempts),
        test("A hint that changes while its thread runs takes effect", SchedulerTests::changes),
        test("No processor idles while a thread waits", SchedulerTests::busy),
        test("The earliest deadline is first in its class", SchedulerTests::deadlines),
        test("Garbage in the hints does no harm", SchedulerTests::garbage),
        test("Processes without hints get a fair share", SchedulerTests::strangers),
        test(
            "Threads without hints share the processors by their nice values",
            SchedulerTests::nice));
  }

  private static List<TestCase> test(String name, TestCase.Body body) {
    return TestCase.withoutWire(name, body, Need.ROOT, Need.VALUES, Need.BTF, Need.SCHED_EXT);
  }

  /** Keys are made by the first test that uses them, not by listing the tests. */
  private static final class Keys {
    static final TaskLocal.OfInt PRIORITY = TaskLocal.of("priority", JAVA_INT);
    static final TaskLocal.OfLong DEADLINE = TaskLocal.of("deadline_ns", JAVA_LONG);
  }

  /** A running scheduler, which neither the watchdog nor an error may end before the test does. */
  private static final class Scheduler implements AutoCloseable {
    private static final int UNREGISTERED = 64;

    private final BpfObject object;
    private final BpfLink link;
    private boolean closed;

    Scheduler(BpfObject object) throws IOException {
      this.object = object;
      this.link = object.map("tasklocal_ops").attach();
      Check.equal("enabled", SchedExt.state(), "the state of sched_ext");
      Check.equal("tasklocal", SchedExt.scheduler(), "the scheduler");
    }

    static Scheduler start(Fixture fixture) throws IOException {
      BpfObject object = fixture.loadWithoutWire("scx_tasklocal");
      TaskLocalMap ignored = fixture.share(object, Wire.A);
      return fixture.closing(new Scheduler(object));
    }

    long preemptions() {
      return object.global("stats").get(JAVA_LONG, 32);
    }

    long rescues() {
      return object.global("stats").get(JAVA_LONG, 40);
    }

    long hints() {
      return object.global("stats").get(JAVA_LONG, 48);
    }

    @Override
    public void close() {
      if (!closed) {
        closed = true;
        MemorySegment exited = object.global("exited");
        Check.equal(
            0,
            exited.get(JAVA_INT, 0),
            "the exit kind of the scheduler before it was detached: " + why(exited));
        link.close();
        Check.equal("disabled", SchedExt.state(), "the state of sched_ext after the scheduler");
        Check.equal(
            UNREGISTERED,
            exited.get(JAVA_INT, 0),
            "the exit kind of the scheduler: " + why(exited));
      }
    }

    private static String why(MemorySegment exited) {
      return exited.getString(16) + ", " + exited.getString(80);
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void takesAndGivesBack(Fixture fixture) throws Exception {
    Check.equal("disabled", SchedExt.state(), "the state of sched_ext before the scheduler");
    Scheduler scheduler = Scheduler.start(fixture);
    BpfObject second = fixture.loadWithoutWire("scx_tasklocal");
    KernelException refused =
        Check.refused(
            KernelException.class,
            "a second scheduler",
            () -> second.map("tasklocal_ops").attach());
    Check.contains("is in use", refused.getMessage(), "the message");
    Check.contains(SchedExt.scheduler(), refused.getMessage(), "the message");
    scheduler.close();
  }

  /** The main class of a process that loads the scheduler and waits to be killed. */
  static final class Holder {
    private Holder() {}

    /**
     * Loads it and says so.
     *
     * @param args none
     */
    public static void main(String[] args) throws Exception {
      try (Bpffs none = new Bpffs(Path.of("/none"));
          Fixture fixture = new Fixture(null, new Fixture.Settings(1, 1), none)) {
        Scheduler ignored = Scheduler.start(fixture);
        System.out.println("loaded");
        new CountDownLatch(1).await();
      }
    }
  }

  private static void endsWithItsProcess(Fixture fixture) throws Exception {
    Process process =
        Jvm.start(Jvm.command(Jvm.shortLived(), Jvm.join(Jvm.classPath()), Holder.class));
    try (Jvm.Deadline deadline = new Jvm.Deadline(process)) {
      Check.equal("loaded", process.inputReader().readLine(), "what the process says");
      Check.that(!deadline.killed(), deadline.late());
      Check.equal("enabled", SchedExt.state(), "the state of sched_ext");
      String ignored =
          Await.change(
              "the end of the scheduler",
              SchedExt::state,
              "disabled"::equals,
              () -> process.destroyForcibly().waitFor());
    } finally {
      process.destroyForcibly();
    }
  }

  private static void classes(Fixture fixture) throws Exception {
    Scheduler scheduler = Scheduler.start(fixture);
    try (Crowd crowd = new Crowd()) {
      List<List<Spinner>> classes = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        int priority = i;
        classes.add(crowd.add(CPUS, () -> Keys.PRIORITY.set(priority)));
      }
      crowd.run();
      long all = classes.stream().mapToLong(SchedulerTests::cpuTime).sum();
      long highest = cpuTime(classes.getLast());
      Check.that(
          highest > all * 6 / 10,
          "the highest class had %d of %d ms, expected more than 60%%"
              .formatted(highest / MILLI, all / MILLI));
      crowd.requireAllServed();
    }
    Check.that(scheduler.rescues() > 0, "no lower class was rescued");
  }

  /** {@return how many times its processor time a piece of work took} */
  private static double stretch(Runnable hint) {
    long work = 20 * MILLI;
    hint.run();
    long start = System.nanoTime();
    long cpu = CPU.getCurrentThreadCpuTime();
    long used = 0;
    while (used < work) {
      used = CPU.getCurrentThreadCpuTime() - cpu;
    }
    return (System.nanoTime() - start) / (double) used;
  }

  private static double median(int rounds, Check.Code before, Runnable hint) throws Exception {
    List<Double> stretches = new ArrayList<>();
    while (stretches.size() < rounds) {
      before.run();
      stretches.add(stretch(hint));
    }
    return median(stretches);
  }

  private static double median(List<Double> stretches) {
    return stretches.stream().sorted().skip(stretches.size() / 2).findFirst().orElseThrow();
  }

  private static void preempts(Fixture fixture) throws Exception {
    Scheduler scheduler = Scheduler.start(fixture);
    int rounds = 15;
    try (Crowd crowd = new Crowd()) {
      crowd.add(4 * CPUS, () -> {});
      crowd.start();
      double plain = median(rounds, () -> Thread.sleep(5), () -> Keys.PRIORITY.set(0));
      Keys.PRIORITY.set(2);
      long before = scheduler.preemptions();
      // Not each wake-up preempts: a processor may just have been idle, or have a turn of a rescued
      // class, which nobody takes from it.
      List<Double> high = new ArrayList<>();
      long ignored =
          Await.until(
              rounds + " preemptions by a thread that wakes",
              () -> {
                high.add(stretch(() -> Keys.PRIORITY.set(2)));
                return scheduler.preemptions() - before;
              },
              preemptions -> preemptions >= rounds);
      requireFaster(plain, median(high));
    } finally {
      Keys.PRIORITY.set(0);
    }
  }

  private static void requireFaster(double plain, double high) {
    Check.that(
        high * 2 < plain,
        ("20 ms of processor time took %.1f times that long without a hint, %.1f with one;"
                + " expected less than half of it with one")
            .formatted(plain, high));
  }

  private static void changes(Fixture fixture) throws Exception {
    Keys.PRIORITY.set(0); // this thread has a page before there is a map
    Scheduler scheduler = Scheduler.start(fixture);
    try (Crowd crowd = new Crowd()) {
      crowd.add(4 * CPUS, () -> {});
      crowd.start();
      requireHeard();
      Parallel.run(1, index -> requireHeard()); // and in a thread that starts later
    } finally {
      Keys.PRIORITY.set(0);
    }
    Check.that(scheduler.hints() > 0, "no hint was counted");
  }

  /**
   * Requires that a hint of the calling thread has an effect. The thread does not sleep, so only a
   * look at a running thread can find the hint.
   */
  private static void requireHeard() throws Exception {
    List<Double> plain = new ArrayList<>();
    double high =
        median(9, () -> plain.add(stretch(() -> Keys.PRIORITY.set(0))), () -> Keys.PRIORITY.set(1));
    requireFaster(median(plain), high);
  }

  private static void busy(Fixture fixture) throws Exception {
    Scheduler.start(fixture);
    try (Crowd crowd = new Crowd()) {
      crowd.add(2 * CPUS, () -> {});
      for (int i = 0; i < 4; i++) {
        int priority = i;
        Runnable nap =
            () -> {
              Keys.PRIORITY.set(priority);
              LockSupport.parkNanos(2 * MILLI);
            };
        crowd.add(1, nap);
      }
      crowd.run();
      // On an emulated machine, waking up is much of the work.
      double share = crowd.used / (double) (crowd.used + crowd.idle);
      Check.that(
          share > 0.6,
          "the processors spent %.2f of their time on the threads, expected more than 0.6"
              .formatted(share));
    }
  }

  private static void deadlines(Fixture fixture) throws Exception {
    Scheduler.start(fixture);
    try (Crowd crowd = new Crowd()) {
      List<Spinner> none = crowd.add(CPUS, () -> {});
      List<Spinner> late =
          crowd.add(CPUS, () -> Keys.DEADLINE.set(System.nanoTime() + 700 * MILLI));
      List<Spinner> early =
          crowd.add(CPUS, () -> Keys.DEADLINE.set(System.nanoTime() + 20 * MILLI));
      crowd.run();
      String shares =
          "processor time with an early deadline: %d ms, with a late one: %d ms, without: %d ms"
              .formatted(cpuTime(early) / MILLI, cpuTime(late) / MILLI, cpuTime(none) / MILLI);
      Check.that(cpuTime(early) > 2 * cpuTime(late) && cpuTime(early) > 4 * cpuTime(none), shares);
      crowd.requireAllServed();
    }
  }

  private static void garbage(Fixture fixture) throws Exception {
    Scheduler.start(fixture);
    int[] priorities = {Integer.MIN_VALUE, -1, 0, 1, 3, 4, Integer.MAX_VALUE};
    long[] deadlines = {Long.MIN_VALUE, -1, 0, 1, Long.MAX_VALUE};
    try (Crowd crowd = new Crowd()) {
      for (int i = 0; i < 3 * CPUS; i++) {
        Random random = new Random(fixture.random().nextLong() + i);
        crowd.add(
            1,
            () -> {
              Keys.PRIORITY.set(
                  random.nextBoolean()
                      ? random.nextInt()
                      : priorities[random.nextInt(priorities.length)]);
              Keys.DEADLINE.set(
                  random.nextBoolean()
                      ? random.nextLong()
                      : deadlines[random.nextInt(deadlines.length)]);
            });
      }
      crowd.add(1, () -> {}); // and one that behaves
      crowd.run();
      crowd.requireAllServed();
    }
  }

  private static void strangers(Fixture fixture) throws Exception {
    Scheduler.start(fixture);
    try (Crowd crowd = new Crowd()) {
      List<Spinner> ours = crowd.add(2 * CPUS, () -> Keys.PRIORITY.set(0));
      crowd.addProcesses(2 * CPUS, "sh", "-c", ENDLESS);
      long theirs = crowd.run();
      double share = theirs / (double) (theirs + cpuTime(ours));
      Check.that(
          share > 0.35 && share < 0.65,
          "the processes without hints had a share of %.2f, expected 0.35 to 0.65"
              .formatted(share));
      crowd.requireAllServed();
    }
  }

  private static void nice(Fixture fixture) throws Exception {
    Scheduler.start(fixture);
    try (Crowd crowd = new Crowd()) {
      List<Spinner> ours = crowd.add(CPUS, () -> {});
      crowd.addProcesses(CPUS, "nice", "-n", "10", "sh", "-c", ENDLESS);
      long theirs = crowd.run();
      double ratio = cpuTime(ours) / (double) theirs;
      Check.that(
          ratio > 2 && ratio < 50,
          "nice 0 had %.1f times the processor time of nice 10, expected about 9 (2 to 50)"
              .formatted(ratio));
    }
  }

  private static long cpuTime(List<Spinner> spinners) {
    return spinners.stream().mapToLong(spinner -> spinner.cpuTime).sum();
  }

  /** A thread that never sleeps. */
  private static final class Spinner {
    final Thread thread;
    long cpuTime; // read and written by the measuring thread
    volatile long longestWait;
    volatile boolean running;

    Spinner(Crowd crowd, Runnable hint) {
      this.thread =
          Thread.ofPlatform()
              .daemon()
              .unstarted(
                  () -> {
                    hint.run();
                    running = true;
                    long last = System.nanoTime();
                    while (!crowd.stopped) {
                      hint.run();
                      long now = System.nanoTime();
                      longestWait = Math.max(longestWait, now - last);
                      last = now;
                    }
                  });
    }
  }

  /** Threads that want all processors at once. */
  private static final class Crowd implements AutoCloseable {
    private final List<Spinner> spinners = new ArrayList<>();
    private final List<Process> shells = new ArrayList<>();
    private List<ProcessHandle> loops = List.of();
    private volatile boolean stopped;
    long used; // processor time of the crowd in the last run
    long idle; // idle time of all processors meanwhile
    private long latest; // by how much the measuring thread was woken late, at most

    List<Spinner> add(int count, Runnable hint) {
      List<Spinner> added = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        added.add(new Spinner(this, hint));
      }
      spinners.addAll(added);
      return added;
    }

    void start() throws InterruptedException {
      spinners.forEach(spinner -> spinner.thread.start());
      loops =
          Await.until(
              "the loop of each shell",
              () -> shells.stream().flatMap(Process::children).toList(),
              found -> found.size() == shells.size());
      Await.until(
          "a turn of each thread and process",
          () ->
              spinners.stream().allMatch(spinner -> spinner.running)
                  && loops.stream().allMatch(loop -> time(loop) > 0));
    }

    void addProcesses(int count, String... command) throws IOException {
      for (int i = 0; i < count; i++) {
        shells.add(new ProcessBuilder(command).start());
      }
    }

    /**
     * Lets all run until they have had {@link #WINDOW} of each processor, and finds the processor
     * time of each thread.
     *
     * @return the processor time of all processes together
     */
    long run() throws InterruptedException {
      Keys.PRIORITY.set(3); // the measuring thread must not wait
      try {
        start();
        for (Spinner spinner : spinners) {
          spinner.cpuTime = -CPU.getThreadCpuTime(spinner.thread.threadId());
          spinner.longestWait = 0;
        }
        long before = threadTime() + processTime();
        long theirs = -processTime();
        idle = -idleTime();
        latest = 0;
        Patience patience = new Patience(Patience.WAIT);
        do {
          long due = System.nanoTime() + REST;
          TimeUnit.NANOSECONDS.sleep(REST);
          latest = Math.max(latest, System.nanoTime() - due);
          used = threadTime() + processTime() - before;
        } while (used < CPUS * WINDOW && !patience.isOver());
        for (Spinner spinner : spinners) {
          spinner.cpuTime += CPU.getThreadCpuTime(spinner.thread.threadId());
        }
        idle += idleTime();
        Check.that(
            loops.stream().allMatch(ProcessHandle::isAlive),
            "a process ended before it was stopped");
        Check.that(
            used >= CPUS * WINDOW,
            "all together had only " + used / MILLI + " of " + CPUS * WINDOW / MILLI + " ms");
        return theirs + processTime();
      } finally {
        Keys.PRIORITY.set(0);
      }
    }

    private long threadTime() {
      return spinners.stream()
          .mapToLong(spinner -> CPU.getThreadCpuTime(spinner.thread.threadId()))
          .sum();
    }

    private long processTime() {
      return loops.stream().mapToLong(Crowd::time).sum();
    }

    private static long time(ProcessHandle loop) {
      return loop.info().totalCpuDuration().orElse(Duration.ZERO).toNanos();
    }

    /** {@return how long all processors together had nothing to do, since the machine began} */
    private static long idleTime() {
      String[] times = read(Path.of("/proc/stat")).split("\\s+", 7);
      return (Long.parseLong(times[4]) + Long.parseLong(times[5])) * TICK;
    }

    void requireAllServed() {
      for (Spinner spinner : spinners) {
        Check.that(spinner.cpuTime > 0, "a thread got no processor time");
        long wait = spinner.longestWait / MILLI;
        // The whole machine may have been stopped, which delays the highest class too.
        long limit = (LONGEST_WAIT + 10 * latest) / MILLI;
        Check.that(
            wait < limit, "a thread waited for %d ms; the limit is %d ms".formatted(wait, limit));
      }
    }

    @Override
    public void close() {
      stopped = true;
      for (Process shell : shells) {
        shell.children().forEach(ProcessHandle::destroyForcibly);
        shell.destroyForcibly();
      }
      while (spinners.stream().anyMatch(spinner -> spinner.thread.isAlive())) {
        LockSupport.parkNanos(MILLI);
      }
    }
  }
}
