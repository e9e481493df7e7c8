// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.kernel.Entries;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Constructor;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** Corners of values on virtual threads. Arguments: a program of wire C, and which corner. */
public final class VirtualCornersChild {

  static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);

  private static final TaskLocal.OfLong OTHER = TaskLocal.of("corner", JAVA_LONG);

  private static BpfView view;

  private VirtualCornersChild() {}

  public static void main(String[] arguments) throws Throwable {
    view = BpfView.load(Path.of(arguments[0]), Wire.C);
    if (arguments[1].equals("before")) {
      beforeAnyMap();
    }
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      switch (arguments[1]) {
        case "plain" -> plain(3);
        case "plain-thread" -> plainOfFactory();
        case "bound" -> onVirtual(() -> agree(5));
        case "pinned" -> onVirtual(VirtualCornersChild::pinned);
        case "initialiser" -> waitsForInitialiser();
        case "upcall" -> onVirtual(VirtualCornersChild::upcall);
        case "unpark" -> unpark();
        case "interrupt" -> onVirtual(VirtualCornersChild::interrupted);
        case "queue" -> queue();
        case "carrier" -> carrier();
        case "log" -> logs();
        case "inline" -> inline();
        case "first" -> first();
        case "end-of-stack" -> onVirtual(VirtualCornersChild::endOfStack);
        case "permit" -> onVirtual(VirtualCornersChild::permit);
        case "closed" -> closed(map);
        case "little" -> VirtualCarriers.little(map);
        case "before" -> onVirtual(() -> agree(3));
        default -> VirtualCarriers.run(arguments[1], view);
      }
      long unseen = map.state() instanceof TaskLocalMap.Attached attached ? attached.unseen() : 0;
      System.out.println("all as it should be, unseen " + unseen);
    }
    System.exit(0); // whatever is parked still
  }

  interface Step {
    void run() throws Throwable;
  }

  static void onVirtual(Step step) throws Throwable {
    onThread(Thread.ofVirtual(), step);
  }

  static void onThread(Thread.Builder builder, Step step) throws Throwable {
    Throwable[] failure = new Throwable[1];
    Thread thread =
        builder.start(
            () -> {
              try {
                step.run();
              } catch (Throwable e) {
                failure[0] = e;
              }
            });
    Await.until("the end of a virtual thread", () -> !thread.isAlive());
    if (failure[0] != null) {
      throw failure[0];
    }
  }

  static void equal(long expected, long found, String what) {
    if (expected != found) {
      throw new AssertionError(what + " is " + found + ", not " + expected);
    }
  }

  static long seen() {
    return view.of(Libc.currentTid());
  }

  /** Sets a value, which Java and BPF then see, also after a block. */
  static void agree(int value) {
    VALUE.set(value);
    equal(value, VALUE.get(), "the value in Java");
    equal(value, seen(), "the value in BPF");
    LockSupport.parkNanos(1);
    equal(value, VALUE.get(), "the value in Java after a block");
    equal(value, seen(), "the value in BPF after a block");
  }

  private static void plain(int threads) throws Throwable {
    for (int i = 1; i <= threads; i++) {
      int value = i;
      onVirtual(
          () -> {
            equal(0, VALUE.get(), "the first value");
            VALUE.set(value);
            LockSupport.parkNanos(1);
            equal(value, VALUE.get(), "the value in Java");
            long seen = seen();
            if (seen != 0 && seen != BpfView.NO_ENTRY) {
              throw new AssertionError("BPF sees " + seen);
            }
          });
    }
  }

  private static void plainOfFactory() throws Exception {
    for (int i = 1; i <= 3; i++) {
      int value = i;
      Thread thread = TaskLocalThread.virtualFactory("plain-").newThread(() -> VALUE.set(value));
      thread.start();
      thread.join();
    }
  }

  private static final class Initialised {
    static int value;

    static {
      VALUE.set(5);
      equal(5, VALUE.get(), "the value in a class initialiser");
      LockSupport.parkNanos(1);
      equal(5, VALUE.get(), "the value in a class initialiser after a block");
      value = 5;
    }
  }

  private static void pinned() {
    int value = Initialised.value;
    LockSupport.parkNanos(1); // from here on it can be unmounted
    equal(value, VALUE.get(), "the value in Java");
    equal(value, seen(), "the value in BPF");
  }

  private static final CountDownLatch INITIALISING = new CountDownLatch(1);
  private static final CountDownLatch GO_ON = new CountDownLatch(1);

  private static final class SlowlyInitialised {
    static final int VALUE_THEN;

    static {
      VALUE.set(5);
      INITIALISING.countDown();
      try {
        GO_ON.await();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
      equal(5, VALUE.get(), "the value in a class initialiser for which another thread waits");
      VALUE_THEN = 5;
    }
  }

  /**
   * A thread that waits for another's class initialiser: up to JDK 25 it stays on its carrier,
   * later it is unmounted, and others run there meanwhile.
   */
  private static void waitsForInitialiser() throws Throwable {
    AtomicBoolean waits = new AtomicBoolean();
    Step first = () -> equal(5, SlowlyInitialised.VALUE_THEN, "what was initialised");
    Step second =
        () -> {
          VALUE.set(8);
          waits.set(true);
          equal(5, SlowlyInitialised.VALUE_THEN, "what was initialised");
          equal(8, VALUE.get(), "the value in Java after waiting for it");
          equal(8, seen(), "the value in BPF after waiting for it");
          agree(9);
        };
    CompletableFuture<Void> initialises = inBackground(first);
    INITIALISING.await();
    CompletableFuture<Void> waiting = inBackground(second);
    Await.until("the thread that waits", waits::get);
    for (int i = 10; i < 100; i++) { // by then it does
      int value = i;
      onVirtual(() -> agree(value));
    }
    GO_ON.countDown();
    Void _ = Await.result("the thread that initialises", initialises);
    Void _ = Await.result("the thread that has waited", waiting);
  }

  private static CompletableFuture<Void> inBackground(Step step) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread _ =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    step.run();
                    done.complete(null);
                  } catch (Throwable e) {
                    done.completeExceptionally(e);
                  }
                });
    return done;
  }

  @SuppressWarnings({"UnusedMethod", "UnusedVariable"}) // for qsort
  private static int compare(MemorySegment one, MemorySegment two) {
    VALUE.set(6);
    LockSupport.parkNanos(1);
    equal(6, VALUE.get(), "the value under a native frame");
    return 0;
  }

  private static void upcall() throws Throwable {
    Linker linker = Linker.nativeLinker();
    MethodHandle compare =
        MethodHandles.lookup()
            .findStatic(
                VirtualCornersChild.class,
                "compare",
                MethodType.methodType(int.class, MemorySegment.class, MemorySegment.class));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment stub =
          linker.upcallStub(compare, FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS), arena);
      linker
          .downcallHandle(
              linker.defaultLookup().find("qsort").orElseThrow(),
              FunctionDescriptor.ofVoid(ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS))
          .invoke(arena.allocate(16), 2L, 8L, stub);
    }
    LockSupport.parkNanos(1);
    equal(6, VALUE.get(), "the value in Java");
    equal(6, seen(), "the value in BPF");
  }

  /** An unpark or an interrupt that comes during the first use is not lost. */
  private static void unpark() throws Throwable {
    Random random = new Random();
    for (int i = 0; i < 4000; i++) {
      boolean interrupts = i % 2 == 1;
      AtomicBoolean begun = new AtomicBoolean();
      AtomicBoolean interrupted = new AtomicBoolean();
      Thread thread =
          Thread.ofVirtual()
              .start(
                  () -> {
                    begun.set(true);
                    VALUE.set(7);
                    LockSupport.park();
                    interrupted.set(Thread.interrupted());
                  });
      // A first use takes a microsecond or two, so this comes before, within or after it.
      while (!begun.get()) {
        Thread.onSpinWait();
      }
      long end = System.nanoTime() + random.nextInt(4000);
      while (System.nanoTime() < end) {
        Thread.onSpinWait();
      }
      if (interrupts) {
        thread.interrupt();
      } else {
        LockSupport.unpark(thread);
      }
      Await.until("a thread that was woken", () -> !thread.isAlive());
      if (interrupts && !interrupted.get()) {
        throw new AssertionError("an interrupt is lost");
      }
    }
  }

  private static void interrupted() {
    Thread.currentThread().interrupt();
    VALUE.set(8);
    equal(8, seen(), "the value in BPF with an interrupt pending");
    if (!Thread.interrupted()) {
      throw new AssertionError("the interrupt is lost");
    }
    agree(9);
  }

  /** The first use takes no permit to park, and leaves none. */
  private static void permit() throws Throwable {
    Thread self = Thread.currentThread();
    LockSupport.unpark(self);
    VALUE.set(1);
    LockSupport.park(); // would not come back if the permit were gone
    equal(1, seen(), "the value in BPF");
    onVirtual(
        () -> {
          VALUE.set(2);
          Thread parks = Thread.currentThread();
          AtomicBoolean parked = new AtomicBoolean();
          Thread waker =
              Thread.ofPlatform()
                  .start(
                      () -> {
                        Await.until(
                            "a parked thread", () -> parks.getState() == Thread.State.WAITING);
                        parked.set(true);
                        LockSupport.unpark(parks);
                      });
          LockSupport.park();
          equal(1, parked.get() ? 1 : 0, "whether it was parked");
          waker.join();
        });
  }

  /** The first use of any virtual thread comes where the stack ends. */
  private static void endOfStack() {
    equal(1, setAtTheEnd(3) ? 1 : 0, "whether a value was set on the way back");
    equal(3, VALUE.get(), "the value that was set deep in the stack");
    agree(4);
  }

  /** {@return whether a value was set, as deep in the stack as it can be} */
  @SuppressWarnings("InfiniteRecursion") // until the stack ends
  private static boolean setAtTheEnd(int value) {
    try {
      if (setAtTheEnd(value)) {
        return true;
      }
    } catch (StackOverflowError e) {
      // the end; now back, a frame at a time
    }
    try {
      VALUE.set(value);
      return true;
    } catch (StackOverflowError e) {
      return false;
    }
  }

  /** Others wait for the only carrier, and do not come first. */
  private static void queue() throws Throwable {
    AtomicInteger ran = new AtomicInteger();
    List<Thread> waiting = new ArrayList<>();
    onVirtual(
        () -> {
          for (int i = 0; i < 1000; i++) {
            waiting.add(
                Thread.ofVirtual()
                    .start(
                        () -> {
                          int ignored = ran.incrementAndGet();
                        }));
          }
          VALUE.set(5);
          equal(5, seen(), "the value in BPF");
          equal(0, ran.get(), "how many threads came first");
          agree(6);
        });
    for (Thread each : waiting) {
      Await.until("a thread of the queue", () -> !each.isAlive());
    }
  }

  static Thread.Builder on(Executor scheduler) throws Exception {
    Constructor<?> constructor =
        Class.forName("java.lang.ThreadBuilders$VirtualThreadBuilder")
            .getDeclaredConstructor(Executor.class);
    constructor.setAccessible(true);
    return (Thread.Builder) constructor.newInstance(scheduler);
  }

  /** The carrier's own value comes back whenever a virtual thread leaves it. */
  private static void carrier() throws Throwable {
    for (boolean own : new boolean[] {false, true}) {
      try (ExecutorService one =
          own
              ? Executors.newSingleThreadExecutor(TaskLocalThread.factory("carrier-"))
              : Executors.newSingleThreadExecutor()) {
        one.submit(() -> VALUE.set(77)).get();
        onThread(
            on(one),
            () -> {
              equal(77, seen(), "what BPF sees of a thread without values");
              equal(0, VALUE.get(), "the value of a new thread");
              agree(1);
              VALUE.set(2);
            });
        equal(77, one.submit(() -> VALUE.get()).get(), "the carrier's own value");
        equal(77, one.submit(() -> seen()).get(), "the carrier's own value in BPF");
      }
    }
  }

  /**
   * A carrier's registration fails. Whoever logs it may wait for a virtual thread that has the lock
   * of a handler, which can only go on on this carrier.
   */
  private static void logs() throws Throwable {
    Logger logger = Logger.getLogger("io.github.tasklocal"); // held, and its handler with it
    BlockingQueue<Thread> loggers = new LinkedBlockingQueue<>();
    logger.addHandler(
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            loggers.add(Thread.currentThread());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        });
    try (ExecutorService one = Executors.newSingleThreadExecutor()) {
      Runnable refuse =
          () -> Entries.makeForeign(view.map().fd(), Libc.currentTid(), Thread.currentThread());
      Object ignored = one.submit(refuse).get();
      onThread(on(one), () -> VALUE.set(1));
      Thread by = Await.until("the log of a failure", loggers::peek, thread -> thread != null);
      if (!by.getName().equals("tasklocal-reporter")) {
        throw new AssertionError("logged by " + by);
      }
    }
  }

  /** A scheduler that runs what it is given at once, so that one thread is mounted in another. */
  private static void inline() throws Throwable {
    Thread.Builder builder = on(Runnable::run);
    Throwable[] failure = new Throwable[1];
    Thread[] two = new Thread[2];
    for (int i = 0; i < 2; i++) {
      int begin = 1000 * (i + 1);
      two[i] =
          builder.unstarted(
              () -> {
                try {
                  for (int round = 0; round < 30; round++) {
                    VALUE.set(begin + round);
                    if (round % 10 == 9) {
                      LockSupport.parkNanos(100_000);
                    } else {
                      Thread.sleep(0);
                    }
                    equal(begin + round, VALUE.get(), "the value in Java");
                    equal(begin + round, seen(), "the value in BPF");
                  }
                } catch (Throwable e) {
                  failure[0] = e;
                }
              });
    }
    for (Thread each : two) {
      each.start();
    }
    for (Thread each : two) {
      Await.until("the end of " + each, () -> !each.isAlive());
    }
    if (failure[0] != null) {
      throw failure[0];
    }
    long own = seen();
    if (own != 0 && own != BpfView.NO_ENTRY) {
      throw new AssertionError("the carrier shows " + own + " in the end");
    }
  }

  /** A thread that uses a key while no map is open is seen in one that opens, as it goes on. */
  private static void beforeAnyMap() throws Throwable {
    AtomicInteger tid = new AtomicInteger();
    AtomicBoolean seen = new AtomicBoolean();
    Thread thread =
        Thread.ofVirtual()
            .start(
                () -> {
                  VALUE.set(5);
                  tid.set(Libc.currentTid());
                  while (!seen.get()) { // without a further use of a key, or a mount
                    Thread.onSpinWait();
                  }
                });
    Await.until("a value", () -> tid.get() != 0);
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      Await.until("the value in BPF", () -> view.of(tid.get()) == 5);
      equal(0, ((TaskLocalMap.Attached) map.state()).unseen(), "how many are unseen");
    } finally {
      seen.set(true);
    }
    thread.join();
  }

  /** A thread of the factory shows its values from its first step on, and not only from a use. */
  private static void first() throws Throwable {
    Throwable[] failure = new Throwable[1];
    Thread thread =
        TaskLocalThread.virtualFactory("first-")
            .newThread(
                () -> {
                  try {
                    equal(0, seen(), "what BPF sees before the first use");
                    equal(0, VALUE.get(), "the first value");
                    agree(4);
                  } catch (Throwable e) {
                    failure[0] = e;
                  }
                });
    onVirtual(() -> equal(BpfView.NO_ENTRY, seen(), "what BPF sees of one that is not followed"));
    if (!thread.getName().equals("first-0")) {
      throw new AssertionError(thread.getName());
    }
    thread.start();
    if (!thread.join(Duration.ofMinutes(2))) {
      throw new AssertionError("it does not end");
    }
    if (failure[0] != null) {
      throw failure[0];
    }
  }

  /**
   * When nobody looks any more, values stay; and when somebody looks again, they are seen again.
   */
  private static void closed(TaskLocalMap map) throws Throwable {
    CountDownLatch set = new CountDownLatch(1);
    CountDownLatch closed = new CountDownLatch(1);
    CountDownLatch looked = new CountDownLatch(1);
    CountDownLatch opened = new CountDownLatch(1);
    Throwable[] failure = new Throwable[1];
    Thread thread =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    agree(5);
                    OTHER.set(6L);
                    set.countDown();
                    closed.await();
                    equal(5, VALUE.get(), "the value after the last map was closed");
                    equal(6, OTHER.get(), "the other value");
                    VALUE.set(7);
                    LockSupport.parkNanos(1);
                    equal(7, VALUE.get(), "the value set after it");
                    looked.countDown();
                    opened.await();
                    equal(7, VALUE.get(), "the value after a map was opened again");
                    equal(7, seen(), "the same in BPF");
                    equal(6, OTHER.get(), "the other value after it");
                    agree(8);
                  } catch (Throwable e) {
                    failure[0] = e;
                    set.countDown();
                    looked.countDown();
                  }
                });
    set.await();
    map.close();
    closed.countDown();
    looked.await();
    try (TaskLocalMap again = TaskLocalMap.of(view.map().fd())) {
      opened.countDown();
      Await.until("the end of the thread", () -> !thread.isAlive());
      if (failure[0] != null) {
        throw failure[0];
      }
      equal(0, ((TaskLocalMap.Attached) again.state()).unseen(), "how many are unseen");
    }
  }
}
