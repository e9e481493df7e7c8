// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static io.github.tasklocal.VirtualCornersChild.equal;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Garbage;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Memory;
import io.github.tasklocal.memory.ThreadPages;
import java.lang.ref.WeakReference;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * A virtual thread that two copies of the library use. Arguments: a program of wire C, and what
 * happens.
 */
public final class VirtualCopiesChild {

  private static final TaskLocal.OfInt FIRST = TaskLocal.of("life.00", JAVA_INT);
  private static final TaskLocal.OfInt SECOND = TaskLocal.of("life.01", JAVA_INT);

  private static BpfView view;

  private VirtualCopiesChild() {}

  public static void main(String[] arguments) throws Exception {
    view = BpfView.load(Path.of(arguments[0]), Wire.C);
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      switch (arguments[1]) {
        case "found" -> found();
        case "merged" -> merged();
        case "unloaded" -> unloaded();
        case "relocated" -> relocated();
        case "numbers" -> numbers();
        case "closed" -> closed();
        default -> throw new IllegalArgumentException(arguments[1]);
      }
      long unseen = map.state() instanceof TaskLocalMap.Attached attached ? attached.unseen() : 0;
      System.out.println("all as it should be, unseen " + unseen);
    }
    System.exit(0);
  }

  /** A virtual thread that does what it is told, and waits in between. */
  private static final class Told {
    private final LinkedBlockingQueue<FutureTask<?>> tasks = new LinkedBlockingQueue<>();
    final Thread thread;

    Told() {
      this(Thread.ofVirtual());
    }

    Told(Thread.Builder builder) {
      thread = builder.start(this::run);
    }

    private void run() {
      while (true) {
        try {
          tasks.take().run();
        } catch (InterruptedException e) {
          return;
        }
      }
    }

    /** It has waited before, and waits again afterwards. */
    <T> T call(Callable<T> callable) throws Exception {
      Await.until(
          "a waiting thread", () -> tasks.isEmpty() && thread.getState() == Thread.State.WAITING);
      FutureTask<T> task = new FutureTask<>(callable);
      tasks.add(task);
      Await.until("what a virtual thread does", task::isDone);
      return task.get();
    }

    void does(Runnable runnable) throws Exception {
      Object ignored =
          call(
              () -> {
                runnable.run();
                return null;
              });
    }

    long seen(int key) throws Exception {
      return call(() -> view.of(Libc.currentTid(), key));
    }

    /** {@return what it submits to its scheduler} */
    Object task() throws ReflectiveOperationException {
      Field field = thread.getClass().getDeclaredField("runContinuation");
      field.setAccessible(true);
      return field.get(thread);
    }
  }

  @SuppressWarnings("ReferenceEquality") // the very same
  private static void isStill(Object task, Told told) throws ReflectiveOperationException {
    if (told.task() != task) {
      throw new AssertionError("it submits " + told.task() + ", no longer " + task);
    }
  }

  /** A copy of which ours does not even know the package. */
  private static void relocated() throws Exception {
    SecondCopy copy = SecondCopy.relocated();
    Told told = new Told();
    told.does(() -> FIRST.set(5));
    Object record = told.task();
    Told other = new Told();
    other.does(() -> copy.set(1));
    Object copys = other.task();
    for (int i = 6; i < 16; i++) {
      int value = i;
      told.does(() -> copy.set(value));
      other.does(() -> FIRST.set(-value));
      equal(value, told.call(copy::get), "the value of the copy, which came second");
      equal(5, told.call(FIRST::get), "the value of ours");
      equal(5, told.seen(0), "the value in BPF");
      equal(1, other.call(copy::get), "the value of the copy, which came first");
      equal(-value, other.call(FIRST::get), "the value of ours, which came second");
      isStill(record, told);
      isStill(copys, other);
    }
  }

  /** Two copies show their threads on one carrier, where each exchange has a number of its own. */
  private static void numbers() throws Exception {
    SecondCopy copy = new SecondCopy();
    try (ExecutorService one = Executors.newSingleThreadExecutor()) {
      long page = one.submit(() -> ThreadPages.of(Thread.currentThread()).start).get();
      Told ours = new Told(VirtualCornersChild.on(one));
      Told copys = new Told(VirtualCornersChild.on(one));
      Set<Integer> numbers = new HashSet<>();
      int last = 0;
      for (int i = 1; i < 50; i++) {
        int value = i;
        ours.does(() -> FIRST.set(value));
        copys.does(() -> copy.set(-value));
        for (Told each : List.of(ours, copys, copys, ours)) {
          int number = each.call(() -> Memory.ALL.get(JAVA_INT, page + DataPage.SEQUENCE));
          equal(0, number & 1, "whether words are being exchanged");
          if (!numbers.add(number) || number <= last) {
            throw new AssertionError("the number " + number + " comes after " + last);
          }
          last = number;
        }
        equal(value, ours.seen(0), "the value of ours in BPF");
        equal(-value, copys.seen(0), "the value of the copy in BPF");
      }
      ours.thread.interrupt();
      copys.thread.interrupt();
    }
  }

  /** A copy that has closed its maps has threads, of which another copy's map shows nothing. */
  private static void closed() throws Exception {
    SecondCopy copy = new SecondCopy();
    copy.open(view.map().fd()).close();
    Told told = new Told();
    told.does(() -> copy.set(5));
    equal(5, told.call(copy::get), "the value of the copy");
    equal(BpfView.NO_ENTRY, told.seen(0), "what BPF sees of its carrier");
  }

  private static void found() throws Exception {
    SecondCopy copy = new SecondCopy();
    Told told = new Told();
    told.does(() -> FIRST.set(5));
    Object record = told.task();
    for (int i = 6; i < 16; i++) {
      int value = i;
      told.does(() -> copy.set(value));
      equal(value, told.call(copy::get), "the value of the second copy");
      equal(5, told.call(FIRST::get), "the value of the first copy");
      equal(5, told.seen(0), "the value in BPF");
      isStill(record, told);
    }
    Told other = new Told();
    other.does(() -> copy.set(1));
    Object copys = other.task();
    other.does(() -> FIRST.set(2));
    equal(1, other.call(copy::get), "the value of the second copy, which came first");
    equal(2, other.call(FIRST::get), "the value of the first copy");
    equal(1, other.seen(0), "the value in BPF");
    isStill(copys, other);
  }

  /** When a copy leaves a thread, what another copy has there stays. */
  private static void merged() throws Exception {
    SecondCopy copy = new SecondCopy();
    SecondCopy.CopiedMap map = copy.open(view.map().fd());
    Told told = new Told();
    told.does(() -> copy.set(5));
    told.does(() -> SECOND.set(7));
    equal(5, told.seen(0), "the value in BPF");
    map.close();
    equal(7, told.call(SECOND::get), "the value of the copy that stays");
    equal(5, told.call(copy::get), "the value of the copy that has left");
    told.does(() -> SECOND.set(8));
    equal(8, told.seen(1), "the value of the copy that stays, in BPF");
    equal(5, told.seen(0), "the other value in BPF");
  }

  /** In a method of its own, as nothing of the copy may stay on the stack. */
  private static WeakReference<ClassLoader> left(Told told) throws Exception {
    SecondCopy copy = new SecondCopy();
    SecondCopy.CopiedMap map = copy.open(view.map().fd());
    told.does(() -> copy.set(5));
    equal(5, told.call(copy::get), "the value before");
    equal(5, told.seen(0), "the value before in BPF");
    map.close();
    equal(5, told.call(copy::get), "the value after");
    return copy.classes();
  }

  /** The classes of a copy go, though a thread that it has followed lives on. */
  private static void unloaded() throws Exception {
    Told told = new Told();
    WeakReference<ClassLoader> classes = left(told);
    told.does(() -> {}); // whatever it kept of its last task
    Await.until(
        "the end of the copy's classes",
        () -> {
          Garbage.collect();
          return classes.refersTo(null);
        });
    equal(5, told.call(FIRST::get), "the value without the copy");
    equal(5, told.seen(0), "the same in BPF");
    told.does(() -> FIRST.set(6));
    equal(6, told.seen(0), "the value in BPF");
  }
}
