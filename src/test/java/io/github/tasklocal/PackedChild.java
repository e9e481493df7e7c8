// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.DirectoryFullException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.ThreadPages;
import java.lang.foreign.MemoryLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongPredicate;

/** A process whose threads share pages; prints what it found. */
public final class PackedChild {

  private static final int THREADS = 200;
  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);
  private static final TaskLocal.OfSegment PAIR =
      TaskLocal.of("packed.pair", MemoryLayout.sequenceLayout(2, JAVA_LONG));

  private PackedChild() {}

  /**
   * Runs it.
   *
   * @param arguments the size of a slot, and the object files for wires A, B and C
   */
  public static void main(String... arguments) {
    int slot = Integer.parseInt(arguments[0]);
    refuseLargeKeys(slot);
    try (BpfView a = BpfView.load(Path.of(arguments[1]), Wire.A);
        BpfView b = BpfView.load(Path.of(arguments[2]), Wire.B);
        BpfView c = BpfView.load(Path.of(arguments[3]), Wire.C)) {
      refused(b);
      List<Worker> workers = start(100_000);
      try (TaskLocalMap mapA = TaskLocalMap.of(a.map().fd());
          TaskLocalMap mapC = TaskLocalMap.of(c.map().fd())) {
        workers.addAll(start(200_000));
        exchange(workers, List.of(a, c));
        Set<Long> used = addresses(workers, slot);
        workers.forEach(Worker::close);
        replace(used, List.of(a, c), slot);
        reattach(List.of(a, c));
        check(mapA.failures() == 0 && mapC.failures() == 0, "failures " + mapA.lastFailure());
      }
    }
    System.out.println("pages " + ThreadPages.REGISTRY.pages());
    System.out.println("ok");
  }

  private static void refuseLargeKeys(int slot) {
    int left = slot - DataPage.START - 8 - 16; // the library's own, and the two keys above
    TaskLocal.of("packed.rest", MemoryLayout.sequenceLayout(left, JAVA_BYTE));
    try {
      TaskLocal.of("packed.more", JAVA_BYTE);
      throw new AssertionError("a key that does not fit was made");
    } catch (DirectoryFullException e) {
      System.out.println(e.getMessage());
    }
  }

  private static void refused(BpfView b) {
    try (TaskLocalMap map = TaskLocalMap.of(b.map().fd())) {
      throw new AssertionError(map + " was opened");
    } catch (NotSupportedException e) {
      System.out.println(e.getMessage());
    }
  }

  private static List<Worker> start(int base) {
    List<Worker> workers = new ArrayList<>();
    for (int i = 0; i < THREADS / 2; i++) {
      Worker worker = new Worker("packed-" + i, i % 2 == 0);
      int value = base + i;
      check(worker.call(() -> VALUE.getAndSet(value)) == 0, "a new thread's value is not zero");
      check(
          worker.call(() -> PAIR.segment().getAtIndex(JAVA_LONG, 1)) == 0,
          "a new thread's pair is not zero");
      worker.run(() -> PAIR.segment().setAtIndex(JAVA_LONG, 1, value));
      workers.add(worker);
    }
    return workers;
  }

  private static void exchange(List<Worker> workers, List<BpfView> views) {
    for (BpfView view : views) {
      for (Worker worker : workers) {
        int value = worker.call(VALUE::getOpaque);
        check(view.of(worker.tid()) == value, view.wire() + " reads another value than " + value);
      }
      for (Worker worker : workers) {
        check(view.write(worker.tid(), 0, worker.tid()) == worker.tid(), "BPF does not write");
      }
      for (Worker worker : workers) {
        check(worker.call(VALUE::getOpaque) == worker.tid(), "BPF has written elsewhere");
        long pair = worker.call(() -> PAIR.segment().getAtIndex(JAVA_LONG, 1));
        check(pair >= 100_000 && pair < 500_000, "BPF has written over the pair");
      }
    }
  }

  private static Set<Long> addresses(List<Worker> workers, int slot) {
    Set<Long> addresses = new HashSet<>();
    for (Worker worker : workers) {
      addresses.add(worker.call(() -> PAIR.segment().address()) & -slot);
    }
    check(addresses.size() == workers.size(), "two threads have one slot");
    return addresses;
  }

  /** Slots of threads that have just ended are not given out again at once. */
  private static void replace(Set<Long> used, List<BpfView> views, int slot) {
    List<Worker> workers = start(400_000);
    exchange(workers, views);
    LongPredicate early = used::contains;
    long again = addresses(workers, slot).stream().filter(each -> early.test(each)).count();
    check(again == 0, again + " slots serve others at once");
    workers.forEach(Worker::close);
  }

  /** A native thread that detaches and attaches again is one task, whose offset BPF has cached. */
  private static void reattach(List<BpfView> views) {
    Pthread.attachTwice(() -> seen(views, 7001, 0), () -> seen(views, 7002, 7001));
  }

  private static void seen(List<BpfView> views, int value, int before) {
    check(VALUE.getAndSet(value) == before, "the task's value is not " + before);
    for (BpfView view : views) {
      check(
          view.of(Libc.currentTid()) == value, view.wire() + " reads another value than " + value);
      check(view.write(Libc.currentTid(), 0, value) == value, "BPF does not write");
    }
  }

  private static void check(boolean condition, String otherwise) {
    if (!condition) {
      throw new AssertionError(otherwise);
    }
  }
}
