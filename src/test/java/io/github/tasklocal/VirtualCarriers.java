// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static io.github.tasklocal.VirtualCornersChild.VALUE;
import static io.github.tasklocal.VirtualCornersChild.agree;
import static io.github.tasklocal.VirtualCornersChild.equal;
import static io.github.tasklocal.VirtualCornersChild.on;
import static io.github.tasklocal.VirtualCornersChild.onThread;
import static io.github.tasklocal.VirtualCornersChild.seen;
import static java.lang.foreign.MemoryLayout.PathElement.groupElement;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.VirtualThreadException;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.memory.FullHeapChild;
import io.github.tasklocal.memory.RegistryLock;
import io.github.tasklocal.memory.VirtualThreads;
import java.lang.foreign.MemoryLayout;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.Inflater;

/** What else happens on carriers, while a virtual thread with values is mounted there or not. */
final class VirtualCarriers {

  private static final TaskLocal.OfInt LATE = TaskLocal.of("life.05", JAVA_INT);

  private static final TaskLocal.OfSegment BYTES =
      TaskLocal.of("carriers.bytes", MemoryLayout.sequenceLayout(16, JAVA_BYTE));

  private static final TaskLocal.OfSegment RECORD =
      TaskLocal.of(
          "carriers.record",
          MemoryLayout.structLayout(
              JAVA_INT.withName("sequence"),
              JAVA_INT.withName("first"),
              JAVA_LONG.withName("last")));

  /** In objects of 32 bytes. */
  private static final int MOST = 300;

  private VirtualCarriers() {}

  /**
   * The last map is closed after a thread's first use has found one, and before the mount that
   * would have shown the value: the carrier waits for its page meanwhile.
   */
  private static void over() throws Throwable {
    try (ExecutorService one = Executors.newSingleThreadExecutor()) {
      Thread carrier = one.submit(Thread::currentThread).get();
      AtomicBoolean isOpen = new AtomicBoolean();
      AtomicReference<Throwable> failure = new AtomicReference<>();
      Thread.Builder builder = on(one);
      AtomicReference<Thread> thread = new AtomicReference<>();
      RegistryLock.during(
          () -> {
            thread.set(
                builder.start(
                    () -> {
                      try {
                        VALUE.set(7);
                        equal(7, VALUE.get(), "the first value");
                        LATE.set(8);
                        equal(7, VALUE.get(), "the first value, beside another");
                        Await.until("another map", isOpen::get);
                        equal(7, VALUE.get(), "the first value, with another map");
                        agree(9);
                        equal(8, LATE.get(), "the other value");
                      } catch (Throwable e) {
                        failure.set(e);
                      }
                    }));
            Await.until(
                "the carrier to wait for the lock",
                () -> carrier.getState() == Thread.State.BLOCKED);
            VirtualThreads.closed();
          });
      Await.until(
          "the thread to wait",
          () -> failure.get() != null || thread.get().getState() == Thread.State.TIMED_WAITING);
      VirtualThreads.opened();
      isOpen.set(true);
      Await.until("the end of the thread", () -> !thread.get().isAlive());
      if (failure.get() != null) {
        throw failure.get();
      }
    }
  }

  static void run(String corner, BpfView view) throws Throwable {
    switch (corner) {
      case "refused" -> refused();
      case "becoming" -> becoming();
      case "held" -> held();
      case "alternating" -> alternating();
      case "late" -> late(view);
      case "over" -> over();
      case "full-heap" -> fullHeap(false);
      case "full-heap-first" -> fullHeap(true);
      case "deep" -> deep();
      case "inside" -> inside();
      case "constant" -> constant();
      default -> throw new IllegalArgumentException(corner);
    }
  }

  /** {@return the calling thread, as others see it} */
  private static NativeThread self() {
    return of(Libc.currentTid());
  }

  private static NativeThread of(int tid) {
    return NativeThread.list().stream()
        .filter(each -> each.tid() == tid)
        .findFirst()
        .orElseThrow(() -> new AssertionError("no thread " + tid));
  }

  private static void isRefused(String what, Runnable access) {
    try {
      access.run();
    } catch (VirtualThreadException e) {
      return;
    }
    throw new AssertionError(what + " is not refused");
  }

  private static void allAreRefused(NativeThread carrier) {
    isRefused("set", () -> VALUE.set(carrier, 5));
    isRefused("get", () -> VALUE.get(carrier));
    isRefused("bind", () -> VALUE.bind(carrier));
    isRefused("segment", () -> BYTES.segment(carrier));
    isRefused("bind of bytes", () -> BYTES.bind(carrier));
  }

  /** Nobody else reaches a carrier's page, and so the values of what is mounted there. */
  private static void refused() throws Throwable {
    try (ExecutorService one = Executors.newSingleThreadExecutor()) {
      NativeThread carrier = one.submit(VirtualCarriers::self).get();
      VALUE.set(carrier, 76);
      equal(76, VALUE.get(carrier), "the carrier's own value, before it carries anything");
      one.submit(() -> VALUE.set(77)).get();
      AtomicBoolean mounted = new AtomicBoolean();
      AtomicBoolean tried = new AtomicBoolean();
      FutureTask<Void> others =
          new FutureTask<>(
              () -> {
                Await.until("a mounted thread", mounted::get);
                allAreRefused(carrier);
                tried.set(true);
                return null;
              });
      Thread other = Thread.ofPlatform().start(others);
      onThread(
          on(one),
          () -> {
            VALUE.set(1);
            mounted.set(true);
            while (!tried.get() && !others.isDone()) {
              equal(1, VALUE.get(), "the value while others try to reach it");
            }
            equal(1, VALUE.get(), "the value after others tried to reach it");
            agree(2);
          });
      other.join();
      others.get();
      allAreRefused(carrier);
      one.submit(
              () -> {
                isRefused("its own bind", VALUE::bind);
                isRefused("its own bind of bytes", BYTES::bind);
                equal(77, VALUE.get(), "the carrier's own value");
                equal(77, seen(), "the same in BPF");
                BYTES.segment().set(JAVA_BYTE, 0, (byte) 1);
              })
          .get();
    }
  }

  /** A thread becomes a carrier while another one sets its value: that is its own, or refused. */
  private static void becoming() throws Throwable {
    int refused = 0;
    for (int i = 0; i < 300; i++) {
      try (ExecutorService one = Executors.newSingleThreadExecutor()) {
        NativeThread carrier = one.submit(VirtualCarriers::self).get();
        AtomicBoolean done = new AtomicBoolean();
        AtomicInteger last = new AtomicInteger();
        FutureTask<Boolean> setter =
            new FutureTask<>(
                () -> {
                  try {
                    while (!done.get()) {
                      VALUE.set(carrier, last.get() + 100);
                      last.getAndAdd(1);
                    }
                    return false;
                  } catch (VirtualThreadException e) {
                    return true;
                  }
                });
        Thread other = Thread.ofPlatform().start(setter);
        Await.until("a value from elsewhere", () -> last.get() > 0 || setter.isDone());
        onThread(
            on(one),
            () -> {
              for (int round = 1; round < 20; round++) {
                VALUE.set(round);
                equal(round, VALUE.get(), "the value in Java");
                LockSupport.parkNanos(1);
                equal(round, VALUE.get(), "the value in Java after a block");
              }
            });
        done.set(true);
        other.join();
        refused += setter.get() ? 1 : 0;
        equal(last.get() + 99, one.submit(() -> VALUE.get()).get(), "the carrier's own value");
      }
    }
    if (refused == 0) {
      throw new AssertionError("no thread has become a carrier meanwhile");
    }
  }

  /**
   * Takes the monitor of the JDK's cleaner again and again, as automatic arenas do; but these would
   * fill the heap.
   */
  @SuppressWarnings("InfiniteLoopStatement") // until the process ends
  private static void register() {
    while (true) {
      new Inflater().end();
    }
  }

  /** Who has bound a value of a thread reaches that thread's own, and sees it shown. */
  private static void held() throws Throwable {
    try (ExecutorService one = Executors.newSingleThreadExecutor()) {
      TaskLocal.OfInt.Bound bound = one.submit(() -> VALUE.bind()).get();
      bound.set(77);
      onThread(
          on(one),
          () -> {
            equal(0, VALUE.get(), "the value of a new thread");
            VALUE.set(1);
            for (int round = 78; round < 98; round++) {
              bound.set(round);
              equal(round, seen(), "the carrier's own value, while another is mounted");
              equal(1, VALUE.get(), "the value in Java");
              LockSupport.parkNanos(1);
              equal(1, VALUE.get(), "the value in Java after a block");
              equal(round, bound.get(), "the bound value");
            }
          });
      equal(97, one.submit(() -> VALUE.get()).get(), "the carrier's own value");
      NativeThread carrier = one.submit(VirtualCarriers::self).get();
      VALUE.set(carrier, 98);
      equal(98, bound.get(), "the carrier's own value, set from elsewhere");
    }
  }

  /**
   * A thread that goes to and fro between carriers that show its values and one that does not;
   * while others hold the monitor that it needs to get memory for the latter.
   */
  @SuppressWarnings("ThreadPriorityCheck") // any way to block will do
  private static void alternating() throws Throwable {
    try (ExecutorService one = Executors.newSingleThreadExecutor();
        ExecutorService two = Executors.newSingleThreadExecutor();
        ExecutorService three = Executors.newSingleThreadExecutor()) {
      TaskLocal.OfInt.Bound bound = one.submit(() -> VALUE.bind()).get();
      bound.set(77);
      int tid = one.submit(Libc::currentTid).get();
      List<ExecutorService> all = List.of(one, two, three);
      AtomicInteger next = new AtomicInteger();
      Thread.Builder builder =
          on(task -> all.get(Math.floorMod(next.getAndIncrement(), 3)).execute(task));
      AtomicInteger shown = new AtomicInteger();
      for (int i = 0; i < 2; i++) {
        Thread ignored = Thread.ofPlatform().daemon().start(VirtualCarriers::register);
      }
      List<FutureTask<Void>> ends = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        int begin = 1000 * (i + 1);
        FutureTask<Void> end =
            new FutureTask<>(
                () -> {
                  for (int round = 0; round < 1000; round++) {
                    VALUE.set(begin + round);
                    if (round % 2 == 0) {
                      LockSupport.parkNanos(1);
                    } else {
                      Thread.yield();
                    }
                    equal(begin + round, VALUE.get(), "the value in Java");
                    long seen = seen();
                    if (Libc.currentTid() == tid) {
                      equal(77, seen, "what BPF sees of the bound carrier");
                    } else {
                      equal(begin + round, seen, "what BPF sees of another carrier");
                      shown.getAndIncrement();
                    }
                  }
                  return null;
                });
        ends.add(end);
        Thread ignored = builder.start(end);
      }
      for (FutureTask<Void> each : ends) {
        Await.until("the end of a virtual thread", each::isDone);
        each.get();
      }
      if (shown.get() == 0) {
        throw new AssertionError("no carrier has shown a value");
      }
      equal(77, bound.get(), "the carrier's own value");
    }
  }

  /** A key that is made while a thread is mounted begins at zero, whatever its carrier has. */
  private static void late(BpfView view) throws Throwable {
    try (ExecutorService one = Executors.newSingleThreadExecutor()) {
      int tid = one.submit(Libc::currentTid).get();
      onThread(
          on(one),
          () -> {
            agree(1);
            for (int i = 10; i < 30; i++) {
              TaskLocal.OfInt key = TaskLocal.of("life." + i, JAVA_INT);
              equal(0, key.get(), "the value of a new key");
              equal(0, view.of(tid, i), "the same in BPF");
              key.set(i);
              LockSupport.parkNanos(1);
              equal(i, key.get(), "the value after a block");
              equal(i, view.of(tid, i), "the same in BPF");
              equal(1, VALUE.get(), "the value of the first key");
            }
          });
      one.submit(() -> LATE.set(99)).get();
      for (int i = 10; i < 30; i++) {
        equal(0, view.of(tid, i), "the carrier's own value of a new key");
      }
      onThread(
          on(one),
          () -> {
            agree(1);
            equal(99, view.of(tid, 5), "the carrier's own value of a key that is not used");
            equal(0, LATE.get(), "the value of a key that the carrier has set");
            equal(0, view.of(tid, 5), "the same in BPF");
            LATE.set(2);
            LockSupport.parkNanos(1);
            equal(2, LATE.get(), "the value after a block");
          });
      equal(99, one.submit(() -> LATE.get()).get(), "the carrier's own value");
      equal(99, view.of(tid, 5), "the same in BPF");
    }
  }

  /** Runs each task in a thread that has not carried anything, in whatever way it is told. */
  private static final class Carriers implements AutoCloseable {

    interface How {
      void run(Runnable task);
    }

    private final LinkedBlockingQueue<Runnable> queue = new LinkedBlockingQueue<>();
    private volatile How how = Runnable::run;

    /** Runs the next task in a new thread, and waits for its end there. */
    void next() throws InterruptedException {
      Runnable task = queue.take();
      AtomicInteger after = new AtomicInteger();
      Thread carrier =
          Thread.ofPlatform()
              .start(
                  () -> {
                    how.run(task);
                    long own = seen();
                    after.set(own == BpfView.NO_ENTRY ? 0 : (int) own);
                  });
      carrier.join();
      equal(0, after.get(), "what a carrier shows in the end");
    }

    Thread start(FutureTask<Void> body) throws Exception {
      return on(queue::add).start(body);
    }

    @Override
    public void close() {
      queue.clear();
    }
  }

  /** Scopes and updates within which a thread goes on elsewhere, each time. */
  private static void inside() throws Throwable {
    String text = "of two words";
    FutureTask<Void> body =
        new FutureTask<>(
            () -> {
              VALUE.set(1);
              elsewhere();
              RECORD.update(
                  record -> {
                    record.set(JAVA_INT, 4, 5);
                    elsewhere();
                    record.set(JAVA_LONG, 8, 6);
                    elsewhere();
                    record.set(JAVA_INT, 4, 7);
                  });
              equal(
                  2, (int) RECORD.varHandle(groupElement("sequence")).getOpaque(), "the sequence");
              equal(7, (int) RECORD.varHandle(groupElement("first")).getOpaque(), "the first");
              equal(6, (long) RECORD.varHandle(groupElement("last")).getOpaque(), "the last");
              VALUE
                  .with(7)
                  .run(
                      () -> {
                        elsewhere();
                        agree(7);
                        elsewhere();
                      });
              equal(1, VALUE.get(), "the value after a scope");
              equal(1, seen(), "the same in BPF");
              BYTES
                  .with(text)
                  .run(
                      () -> {
                        elsewhere();
                        isText(text);
                        elsewhere();
                      });
              isText("");
              return null;
            });
    try (Carriers carriers = new Carriers()) {
      Thread thread = carriers.start(body);
      carriers.next();
      while (!body.isDone()) {
        if (thread.getState() == Thread.State.WAITING) {
          LockSupport.unpark(thread);
        }
        carriers.next();
      }
      body.get();
    }
  }

  /** When the last map is closed, a thread takes as much memory with it as its values take. */
  static void little(TaskLocalMap map) throws Throwable {
    int count = 400;
    CountDownLatch closed = new CountDownLatch(1);
    CountDownLatch seen = new CountDownLatch(1);
    AtomicInteger gone = new AtomicInteger();
    List<FutureTask<Void>> bodies = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int value = i % 2 * (i + 1); // half of them use no key until then
      FutureTask<Void> body =
          new FutureTask<>(
              () -> {
                if (value > 0) {
                  VALUE.set(value);
                }
                closed.await();
                gone.getAndIncrement();
                seen.await();
                equal(value, VALUE.get(), "the value after the last map was closed");
                return null;
              });
      Thread thread = TaskLocalThread.virtualFactory("little-").newThread(body);
      thread.start();
      bodies.add(body);
      Await.until("a waiting thread", () -> thread.getState() == Thread.State.WAITING);
    }
    map.close();
    long before = direct();
    closed.countDown();
    Await.until("all threads to be mounted", () -> gone.get() == count);
    long more = direct() - before;
    seen.countDown();
    for (FutureTask<Void> each : bodies) {
      Await.until("the end of a thread", each::isDone);
      each.get();
    }
    if (more > count * 64L) {
      throw new AssertionError(more + " bytes more for " + count + " threads");
    }
  }

  /** {@return how much memory is allocated by arenas} */
  private static long direct() {
    return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
        .filter(each -> each.getName().equals("direct"))
        .mapToLong(BufferPoolMXBean::getMemoryUsed)
        .sum();
  }

  private static void elsewhere() {
    int before = Libc.currentTid();
    LockSupport.park();
    if (before == Libc.currentTid()) {
      throw new AssertionError("it goes on where it was");
    }
  }

  private static void isText(String expected) {
    String found = BYTES.getString();
    if (!found.equals(expected)) {
      throw new AssertionError("the text is \"" + found + "\"");
    }
  }

  /**
   * A carrier that can get no memory to show a thread runs it all the same.
   *
   * @param first whether the thread has no values before, and so no record
   */
  private static void fullHeap(boolean first) throws Throwable {
    int unseen = 0;
    for (int spare = 0; spare < MOST; spare += 1 + spare / 2) {
      int left = spare;
      AtomicInteger failures = new AtomicInteger();
      Object[][] full = new Object[1][];
      FutureTask<Void> body =
          new FutureTask<>(
              () -> {
                if (!first) {
                  VALUE.set(left + 1);
                }
                LockSupport.park();
                // From here on the heap is full.
                int value = -1;
                try {
                  value = VALUE.get();
                } catch (OutOfMemoryError e) {
                  failures.setPlain(1);
                }
                full[0] = null;
                if (value != -1) {
                  equal(first ? 0 : left + 1, value, "the value in a full heap");
                }
                equal(first ? 0 : left + 1, VALUE.get(), "the value after it");
                LockSupport.park();
                equal(first ? 0 : left + 1, VALUE.get(), "the value after a block");
                VALUE.set(left + 2);
                equal(left + 2, seen(), "the same in BPF");
                return null;
              });
      try (Carriers carriers = new Carriers()) {
        Thread thread = carriers.start(body);
        carriers.next();
        carriers.how =
            task -> {
              full[0] = FullHeapChild.fill();
              for (int i = 0; i < left && full[0][0] != null; i++) {
                full[0] = (Object[]) full[0][0];
              }
              task.run();
              full[0] = null;
            };
        LockSupport.unpark(thread);
        carriers.next();
        carriers.how = Runnable::run;
        while (!body.isDone()) {
          LockSupport.unpark(thread);
          carriers.next();
        }
        body.get();
      }
      unseen += failures.get();
    }
    System.out.println("out of memory " + unseen + " times");
    if (unseen == 0) {
      throw new AssertionError("there was memory each time");
    }
  }

  private static final class Descent {
    private final Runnable task;
    private int spare;
    private boolean over;

    Descent(Runnable task, int spare) {
      this.task = task;
      this.spare = spare;
    }

    /** Goes to the end of the stack, comes back by some frames, and runs the task there. */
    @SuppressWarnings("InfiniteRecursion") // until the stack ends
    void down() {
      try {
        down();
      } catch (StackOverflowError e) {
        if (over || spare-- > 0) {
          throw e;
        }
      }
      if (spare == -1) {
        spare = -2;
        over = true;
        task.run();
      }
    }
  }

  /** A carrier whose stack is nearly used up: nothing is left shown there. */
  private static void deep() throws Throwable {
    int ran = 0;
    int lost = 0;
    for (int spare = 300;
        spare < 3000;
        spare += 1 + spare / 30) { // below, the JDK itself is at a loss
      int value = spare;
      AtomicInteger steps = new AtomicInteger();
      FutureTask<Void> body =
          new FutureTask<>(
              () -> {
                VALUE.set(value);
                LockSupport.park();
                steps.setPlain(1);
                try {
                  equal(value, VALUE.get(), "the value deep in a carrier's stack");
                } catch (StackOverflowError e) {
                  // What the thread itself calls lies on that stack, too.
                }
                LockSupport.park();
                agree(value + 1);
                return null;
              });
      try (Carriers carriers = new Carriers()) {
        Thread thread = carriers.start(body);
        carriers.next();
        carriers.how =
            task -> {
              try {
                new Descent(task, value).down();
              } catch (StackOverflowError e) {
                // the thread's own, the JDK's, or on the way out
              }
            };
        LockSupport.unpark(thread);
        carriers.next();
        carriers.how = Runnable::run;
        if (steps.get() == 0) {
          lost++; // the JDK itself could not mount it
          continue;
        }
        ran++;
        while (!body.isDone()) {
          LockSupport.unpark(thread);
          carriers.next();
        }
        body.get();
      }
    }
    System.out.println(ran + " ran, " + lost + " could not be mounted");
    if (ran == 0) {
      throw new AssertionError("none ran");
    }
  }

  /** What a compiler may take for a constant. */
  private static final class Constant {
    static final Thread THREAD = Thread.ofVirtual().unstarted(Constant::body);
    static final AtomicInteger TOLD = new AtomicInteger();
    static volatile int heard;
    static final AtomicReference<Throwable> FAILURE = new AtomicReference<>();

    private static void body() {
      try {
        VALUE.set(0);
        for (int round = 1; round <= 20_000; ) {
          LockSupport.park();
          if (TOLD.get() != round) {
            continue;
          }
          equal(round - 1, seen(), "what BPF sees before anything uses the key again");
          equal(round - 1, VALUE.get(), "the value in Java");
          VALUE.set(round);
          heard = round++;
        }
      } catch (Throwable e) {
        FAILURE.set(e);
      }
    }

    static void tell(int round) {
      TOLD.set(round);
      LockSupport.unpark(THREAD);
    }
  }

  /** Unparked from compiled code, which may know the fields of a thread in a constant. */
  private static void constant() throws Throwable {
    Constant.THREAD.start();
    for (int round = 1; round <= 20_000; round++) {
      Constant.tell(round);
      while (Constant.heard != round) {
        if (!Constant.THREAD.isAlive()) {
          throw new AssertionError("it has ended in round " + round, Constant.FAILURE.get());
        }
        LockSupport.unpark(Constant.THREAD);
        Thread.onSpinWait();
      }
    }
    Await.until("the end of the thread", () -> !Constant.THREAD.isAlive());
    Throwable failure = Constant.FAILURE.get();
    if (failure != null) {
      throw failure;
    }
  }
}
