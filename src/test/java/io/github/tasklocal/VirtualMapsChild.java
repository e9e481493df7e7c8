// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.layout.Wire;
import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/**
 * Maps of several wires are opened, closed, watched and replaced while virtual threads are mounted.
 * Between two changes each map shows the values exactly. Arguments: a seed, and for each wire its
 * name and a compiled program; the first is loaded twice more, for a pin that is replaced.
 */
public final class VirtualMapsChild {

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);
  private static final TaskLocal.OfInt OTHER = TaskLocal.of("life.01", JAVA_INT);

  private static final int THREADS = 24;
  private static final int CHANGES = 120;

  private static final List<View> VIEWS = new ArrayList<>();
  private static final AtomicReference<Throwable> WRONG = new AtomicReference<>();
  private static final AtomicLong EXACT = new AtomicLong();
  private static final AtomicLong CLOSED = new AtomicLong();

  /** Odd while maps are being opened or closed. */
  private static final AtomicInteger CHANGING = new AtomicInteger();

  private static volatile boolean over;

  private VirtualMapsChild() {}

  private static final class View {
    final BpfView view;
    private final List<TaskLocalMap> uses = new ArrayList<>();
    volatile boolean isOpen;

    View(BpfView view) {
      this.view = view;
    }

    void open() {
      uses.add(TaskLocalMap.of(view.map().fd()));
      isOpen = true;
    }

    void close() {
      if (!uses.isEmpty()) {
        uses.removeLast().close();
        isOpen = !uses.isEmpty();
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    Random random = new Random(Long.parseLong(arguments[0]));
    System.out.println("seed " + arguments[0]);
    for (int i = 1; i < arguments.length; i += 2) {
      VIEWS.add(load(arguments[i], arguments[i + 1]));
    }
    View one = load(arguments[1], arguments[2]);
    View two = load(arguments[1], arguments[2]);
    List<View> own = List.copyOf(VIEWS);
    VIEWS.addAll(List.of(one, two));
    VALUE.set(42);
    List<Thread> threads = new ArrayList<>();
    try (Bpffs bpffs = new Bpffs("rwx------")) {
      own.forEach(View::open);
      for (int i = 0; i < THREADS; i++) {
        int begin = (i + 1) << 16;
        threads.add(Thread.ofVirtual().start(() -> guarded(begin)));
      }
      for (int i = 0; i < CHANGES && WRONG.get() == null; i++) {
        turn();
        change(random, own, one, two, bpffs.path("map"));
        turn();
        long before = EXACT.get() + CLOSED.get();
        Await.until(
            "looks between two changes",
            () -> WRONG.get() != null || EXACT.get() + CLOSED.get() > before + THREADS);
      }
      over = true;
      for (Thread each : threads) {
        Await.until("the end of a virtual thread", () -> !each.isAlive());
      }
    }
    if (WRONG.get() != null) {
      WRONG.get().printStackTrace();
      System.exit(1);
    }
    System.out.printf("%d looks, %d where the map was closed%n", EXACT.get(), CLOSED.get());
    if (EXACT.get() == 0 || CLOSED.get() == 0) {
      throw new AssertionError("too few looks");
    }
    System.out.println("all agree");
    System.exit(0);
  }

  private static void turn() {
    int ignored = CHANGING.incrementAndGet();
  }

  private static View load(String wire, String file) {
    return new View(BpfView.load(Path.of(file), Wire.valueOf(wire)));
  }

  private static void change(Random random, List<View> own, View one, View two, Path pin)
      throws Exception {
    View any = own.get(random.nextInt(own.size()));
    switch (random.nextInt(6)) {
      case 0, 1 -> any.open();
      case 2, 3 -> any.close();
      case 4 -> {
        for (View each : own) { // nobody looks at values any more
          while (each.isOpen) {
            each.close();
          }
        }
      }
      default -> watch(one, two, pin);
    }
  }

  /** Between a map's being shown and its replacement, and at the end, there are looks, too. */
  private static void watch(View one, View two, Path pin) throws Exception {
    one.view.map().pin(pin);
    TaskLocalMap watch = TaskLocalMap.watch(pin);
    try (watch) {
      settle(one, two);
      two.view.map().pin(pin);
      settle(two, one);
    }
    two.isOpen = false;
  }

  private static void settle(View open, View closed) {
    int tid = Libc.currentTid();
    Await.until("the watched map", () -> open.view.of(tid) == 42);
    Await.until(
        "the end of the one before",
        () ->
            Stream.of(Objects.requireNonNull(new File("/proc/self/task").list()))
                .mapToLong(each -> closed.view.of(Integer.parseInt(each)))
                .allMatch(seen -> seen == BpfView.NO_ENTRY || seen == BpfView.NO_TASK));
    open.isOpen = true;
    closed.isOpen = false;
    turn();
    long before = EXACT.get();
    Await.until("looks", () -> WRONG.get() != null || EXACT.get() > before + THREADS);
    turn();
  }

  private static void guarded(int begin) {
    try {
      Random random = new Random(begin);
      for (int value = begin; !over && WRONG.get() == null; value++) {
        VALUE.set(value);
        OTHER.set(-value);
        look(value);
        if (random.nextBoolean()) {
          LockSupport.parkNanos(1000);
        } else {
          Thread.sleep(0, 100_000);
        }
        look(value);
      }
    } catch (Throwable e) {
      WRONG.compareAndSet(null, e);
    }
  }

  private static void look(int value) {
    for (View each : VIEWS) {
      int before = CHANGING.get();
      boolean open = each.isOpen;
      int[] java = {VALUE.get(), OTHER.get()};
      if (java[0] != value || java[1] != -value) {
        throw new AssertionError(
            "the values in Java are %d and %d, not %d".formatted(java[0], java[1], value));
      }
      int tid = Libc.currentTid();
      long first = each.view.of(tid, 0);
      long second = each.view.of(tid, 1);
      if (tid != Libc.currentTid() || (before & 1) != 0 || before != CHANGING.get()) {
        continue;
      }
      long expected = open ? value : BpfView.NO_ENTRY;
      if (first != expected || second != (open ? -value : expected)) {
        throw new AssertionError(
            "in wire %s, %s, BPF sees %d and %d, not %d"
                .formatted(each.view.wire(), open ? "open" : "closed", first, second, value));
      }
      long ignored = (open ? EXACT : CLOSED).incrementAndGet();
    }
  }
}
