// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Blocking;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Virtual threads that block in every way, and compare after each what Java and BPF see. Arguments:
 * a compiled program, its wire, threads, rounds, seed, and whether stack traces are taken
 * meanwhile.
 */
public final class VirtualThreadChild {

  private static final TaskLocal.OfInt FIRST = TaskLocal.of("life.00", JAVA_INT);
  private static final TaskLocal.OfInt SECOND = TaskLocal.of("life.01", JAVA_INT);
  private static final TaskLocal.OfInt LATE = TaskLocal.of("life.02", JAVA_INT);

  private static final AtomicReference<Throwable> WRONG = new AtomicReference<>();
  private static final AtomicLong COMPARED = new AtomicLong();
  private static final AtomicLong FOREIGN = new AtomicLong();

  /** How often a value that BPF wrote was read on another carrier. */
  private static final AtomicLong MOVED = new AtomicLong();

  private final BpfView view;
  private final Blocking blocking;

  private VirtualThreadChild(BpfView view, Path file) {
    this.view = view;
    this.blocking = new Blocking(file);
  }

  public static void main(String[] arguments) throws Exception {
    Path file = Path.of(arguments[0]);
    Wire wire = Wire.valueOf(arguments[1]);
    int threads = Integer.parseInt(arguments[2]);
    int rounds = Integer.parseInt(arguments[3]);
    long seed = Long.parseLong(arguments[4]);
    boolean traced = Boolean.parseBoolean(arguments[5]);
    System.out.println("seed " + seed);
    try (BpfView view = BpfView.load(file, wire);
        TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      new VirtualThreadChild(view, file).run(threads, rounds, seed, traced);
      TaskLocalMap.Attached state = (TaskLocalMap.Attached) map.state();
      System.out.printf(
          "%d comparisons, %d of threads without values, what BPF wrote read on another carrier %d"
              + " times; unseen %d, failures %d%n",
          COMPARED.get(), FOREIGN.get(), MOVED.get(), state.unseen(), map.failures());
    }
    Throwable wrong = WRONG.get();
    if (wrong != null) {
      wrong.printStackTrace();
      System.exit(1);
    }
    System.out.println("all agree");
  }

  private void run(int threads, int rounds, long seed, boolean traced) throws Exception {
    ThreadFactory followed = TaskLocalThread.virtualFactory("followed-");
    List<Thread> all = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      int id = i;
      Runnable task = () -> guarded(id, rounds, seed + id);
      all.add(id % 3 == 1 ? followed.newThread(task) : Thread.ofVirtual().unstarted(task));
    }
    AtomicInteger left = new AtomicInteger(threads);
    all.forEach(Thread::start);
    Thread storm =
        new Thread(
            () -> {
              Random random = new Random(seed);
              while (traced && left.get() > 0) {
                StackTraceElement[] ignored = all.get(random.nextInt(threads)).getStackTrace();
              }
            });
    storm.start();
    for (Thread each : all) {
      Await.until("the end of " + each, () -> !each.isAlive());
      int ignored = left.decrementAndGet();
    }
    storm.join();
  }

  private void guarded(int id, int rounds, long seed) {
    try {
      if (id % 3 == 0) {
        withoutValues(rounds, new Random(seed));
      } else {
        withValues(id, rounds, new Random(seed));
      }
    } catch (Throwable e) {
      WRONG.compareAndSet(null, e);
    }
  }

  private void withValues(int id, int rounds, Random random) throws Exception {
    int value = id << 12;
    FIRST.set(value);
    SECOND.set(-value);
    int late = 0;
    for (int i = 0; i < rounds && WRONG.get() == null; i++) {
      compare(value);
      blocking.block(random.nextInt(Blocking.WAYS));
      compare(value);
      if (i == rounds / 2) {
        equal(0, LATE.get(), "a key that was not used before");
        late = value;
        LATE.set(late);
      }
      if (i > rounds / 2) {
        equal(late, LATE.get(), "the late key");
      }
      value++;
      FIRST.set(value);
      SECOND.set(-value);
      if (i % 8 == 0) {
        written(value);
      }
    }
  }

  /** What BPF writes is seen on whichever carrier the thread goes on. */
  private void written(int value) throws Exception {
    int tid = Libc.currentTid();
    long wrote = view.write(tid, 1, value + 1);
    if (tid == Libc.currentTid() && wrote == value + 1) {
      blocking.block(1);
      equal(value + 1, SECOND.get(), "what BPF has written");
      if (tid != Libc.currentTid()) {
        MOVED.incrementAndGet();
      }
    }
    SECOND.set(-value);
  }

  private void compare(int value) {
    equal(value, FIRST.get(), "the first value in Java");
    equal(-value, SECOND.get(), "the second value in Java");
    equal(value, seen(0), "the first value in BPF");
    equal(-value, seen(1), "the second value in BPF");
    COMPARED.incrementAndGet();
  }

  private void withoutValues(int rounds, Random random) throws Exception {
    for (int i = 0; i < rounds && WRONG.get() == null; i++) {
      for (int key = 0; key < 3; key++) {
        long seen = seen(key);
        if (seen != 0 && seen != BpfView.NO_ENTRY) {
          throw new AssertionError("BPF sees " + seen + " where the thread has no values");
        }
      }
      FOREIGN.incrementAndGet();
      blocking.block(random.nextInt(Blocking.WAYS));
    }
  }

  /** {@return what BPF sees of the task on which the calling thread is mounted} */
  private long seen(int key) {
    while (true) {
      int tid = Libc.currentTid();
      long seen = view.of(tid, key);
      if (tid == Libc.currentTid()) {
        return seen;
      }
    }
  }

  private static void equal(long expected, long found, String what) {
    if (expected != found) {
      throw new AssertionError(what + " is " + found + ", not " + expected);
    }
  }
}
