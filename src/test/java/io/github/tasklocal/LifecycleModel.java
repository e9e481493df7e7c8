// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.ThreadPages;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;

/**
 * Random steps against a model so simple that it is right: for each thread an array of values, for
 * each map whether it is open. In a JVM of its own, since it makes all keys that a process can
 * have.
 */
public final class LifecycleModel {

  private static final List<Wire> WIRES = List.of(Wire.values());
  private static final int KEYS = 64;
  private static final int MAPS = 6;
  private static final int PINS = 3;

  /** A thread and what its values have to be. */
  private static final class Model {
    final Worker worker; // this or the next is null
    final Pthread pthread;
    final int tid;
    final int[] values = new int[KEYS];
    boolean hasPage;
    NativeThread outside;

    Model(Worker worker, Pthread pthread) {
      this.worker = worker;
      this.pthread = pthread;
      this.outside = pthread == null ? null : pthread.listed();
      this.tid = pthread == null ? worker.tid() : outside.tid();
      this.hasPage = worker != null && worker.thread() instanceof TaskLocalThread;
    }

    NativeThread outside() {
      if (outside == null) {
        outside =
            NativeThread.list().stream()
                .filter(each -> each.tid() == tid)
                .findFirst()
                .orElseThrow(() -> new AssertionError("thread " + tid + " is not listed"));
      }
      return outside;
    }

    void close() {
      if (worker != null) {
        worker.close();
      } else {
        pthread.close();
      }
    }
  }

  /** A bound value, which outlives its thread. */
  private record Held(Model thread, int key, TaskLocal.OfInt.Bound bound) {}

  private final Random random;
  private final List<Path> objects;
  private final Path folder;
  private final TaskLocal.OfInt[] keys = new TaskLocal.OfInt[KEYS];
  private final List<Model> threads = new ArrayList<>();
  private final Deque<Model> ended = new ArrayDeque<>();
  private final List<Held> held = new ArrayList<>();

  private final BpfView[] views = new BpfView[MAPS];
  private final List<List<TaskLocalMap>> opened = new ArrayList<>();

  private final TaskLocalMap[] watches = new TaskLocalMap[PINS];
  private final int[] pinned = new int[PINS];

  /** Whether the watches have seen the pins as they are now. */
  private boolean settled = true;

  private int threadsStarted;
  private int reads;
  private int writes;
  private int pinChanges;

  private LifecycleModel(long seed, Path folder, List<Path> objects) {
    this.random = new Random(seed);
    this.folder = folder;
    this.objects = objects;
    for (int i = 0; i < MAPS; i++) {
      views[i] = load(i);
      opened.add(new ArrayList<>());
    }
    Arrays.fill(pinned, -1);
    for (int i = 0; i < 8; i++) {
      start();
    }
  }

  /**
   * Takes steps.
   *
   * @param arguments the seed, how many steps, a folder on a bpffs, the program for each wire
   */
  public static void main(String... arguments) throws IOException {
    long seed = Long.parseLong(arguments[0]);
    int steps = Integer.parseInt(arguments[1]);
    LifecycleModel model =
        new LifecycleModel(
            seed, Path.of(arguments[2]), Stream.of(arguments).skip(3).map(Path::of).toList());
    int step = 0;
    try {
      for (; step < steps; step++) {
        model.step();
        if (step % 500 == 499) {
          model.checkAll();
        }
      }
      model.end();
    } catch (RuntimeException | Error e) {
      System.out.println("step " + step + ", -Dtasklocal.seed=" + seed);
      e.printStackTrace(System.out);
      System.exit(1);
    }
    System.out.printf(
        "%d steps, %d threads, %d reads and %d writes by BPF, %d pins changed, %d pages%n",
        steps,
        model.threadsStarted,
        model.reads,
        model.writes,
        model.pinChanges,
        ThreadPages.REGISTRY.pages());
  }

  private void step() {
    int chance = random.nextInt(10_000);
    if (chance < 3500) {
      setOwn();
    } else if (chance < 5500) {
      getOwn();
    } else if (chance < 7700) {
      readByBpf();
    } else if (chance < 8300) {
      writeByBpf();
    } else if (chance < 8900) {
      fromOutside();
    } else if (chance < 9150) {
      hold();
    } else if (chance < 9500) {
      if (threads.size() < 24) {
        start();
      }
    } else if (chance < 9700) {
      endThread();
    } else if (chance < 9930) {
      openOrClose();
    } else if (chance < 9960) {
      watchOrNot();
    } else if (chance < 9966) {
      changePin();
    } else if (chance < 9968) {
      restartOwner();
    } else if (chance < 9970) {
      System.gc();
    } else {
      makeKey();
    }
  }

  // ---- what is done with the library, and noted in the model ----

  private void makeKey() {
    int key = random.nextInt(KEYS);
    keys[key] = make(key);
  }

  private static TaskLocal.OfInt make(int key) {
    return TaskLocal.of("life.%02d".formatted(key), JAVA_INT);
  }

  /** A key that has been made; makes one if there is none. */
  private int someKey() {
    int key = random.nextInt(KEYS);
    for (int i = 0; i < KEYS; i++) {
      if (keys[(key + i) % KEYS] != null) {
        return (key + i) % KEYS;
      }
    }
    makeKey();
    return someKey();
  }

  private Model someThread() {
    return threads.get(random.nextInt(threads.size()));
  }

  private Model someWorker() {
    Model thread = someThread();
    return thread.worker == null ? someWorker() : thread;
  }

  private void setOwn() {
    Model thread = someWorker();
    int k = someKey();
    TaskLocal.OfInt key = keys[k];
    int value = random.nextInt();
    int before = thread.values[k];
    thread.hasPage = true;
    switch (random.nextInt(3)) {
      case 0 -> thread.worker.run(() -> key.set(value));
      case 1 -> same(before, thread.worker.call(() -> key.getAndSet(value)), "getAndSet");
      default ->
          same(1, thread.worker.call(() -> key.compareAndSet(before, value) ? 1 : 0), "expected");
    }
    thread.values[k] = value;
  }

  private void getOwn() {
    Model thread = someWorker();
    int k = someKey();
    thread.hasPage = true;
    same(thread.values[k], thread.worker.call(() -> keys[k].get()), "own value of key " + k);
  }

  private void fromOutside() {
    Model thread = someThread();
    int k = someKey();
    int value = random.nextInt();
    if (random.nextBoolean()) {
      keys[k].set(thread.outside(), value);
      thread.hasPage = true;
      thread.values[k] = value;
    } else {
      same(thread.values[k], keys[k].get(thread.outside()), "value from outside of key " + k);
    }
  }

  private void hold() {
    if (held.size() >= 10 || (!held.isEmpty() && random.nextBoolean())) {
      Held one = held.remove(random.nextInt(held.size()));
      same(one.thread.values[one.key], one.bound.get(), "bound value of key " + one.key);
      int value = random.nextInt();
      one.bound.set(value);
      one.thread.values[one.key] = value;
    } else {
      Model thread = someThread();
      int k = someKey();
      thread.hasPage = true;
      held.add(
          new Held(
              thread,
              k,
              thread.worker == null || random.nextBoolean()
                  ? keys[k].bind(thread.outside())
                  : thread.worker.call(() -> keys[k].bind())));
    }
  }

  private void start() {
    boolean java = threads.size() < 4 || random.nextInt(6) > 0;
    threads.add(
        java
            ? new Model(new Worker("model-" + threadsStarted, random.nextBoolean()), null)
            : new Model(null, new Pthread()));
    threadsStarted++;
  }

  private void endThread() {
    if (threads.size() <= 6 || (threads.stream().filter(t -> t.worker != null).count() < 4)) {
      return;
    }
    Model thread = threads.remove(random.nextInt(threads.size()));
    thread.close();
    ended.addLast(thread);
    if (ended.size() > 20) {
      ended.removeFirst();
    }
  }

  // ---- maps ----

  private BpfView load(int map) {
    int wire = map % WIRES.size();
    return BpfView.load(objects.get(wire), WIRES.get(wire));
  }

  private Path pin(int pin) {
    return folder.resolve("model_" + pin);
  }

  private void openOrClose() {
    int map = random.nextInt(MAPS);
    List<TaskLocalMap> objects = opened.get(map);
    if (objects.size() == 2 || (!objects.isEmpty() && random.nextBoolean())) {
      objects.remove(random.nextInt(objects.size())).close();
    } else {
      objects.add(
          random.nextBoolean()
              ? TaskLocalMap.of(views[map].map().fd())
              : TaskLocalMap.of(views[map].map().fd(), views[map].wire()));
    }
  }

  private void watchOrNot() {
    int pin = random.nextInt(PINS);
    if (watches[pin] == null) {
      watches[pin] = TaskLocalMap.watch(pin(pin));
    } else {
      settle();
      watches[pin].close();
      watches[pin] = null;
    }
  }

  private void changePin() {
    settled = false;
    int pin = random.nextInt(PINS);
    int before = pinned[pin];
    int now = random.nextInt(MAPS + 1) - 1;
    if (before == now) {
      if (now >= 0) {
        views[now].map().pin(pin(pin)); // again, under another inode
      }
      return;
    }
    if (now < 0 || (before >= 0 && random.nextBoolean())) {
      views[before].map().unpin(pin(pin));
    }
    if (now >= 0) {
      views[now].map().pin(pin(pin));
    }
    pinned[pin] = now;
    pinChanges++;
  }

  /** A map's owner is replaced by one with another map, which takes over the pins. */
  private void restartOwner() {
    settled = false;
    int map = random.nextInt(MAPS);
    opened.get(map).forEach(TaskLocalMap::close);
    opened.get(map).clear();
    BpfView before = views[map];
    views[map] = load(map);
    for (int pin = 0; pin < PINS; pin++) {
      if (pinned[pin] == map) {
        views[map].map().pin(pin(pin));
        pinChanges++;
      }
    }
    before.close();
  }

  private boolean isSettled(int pin) {
    TaskLocalMap watch = watches[pin];
    return watch == null
        || (pinned[pin] < 0
            ? watch.state() instanceof TaskLocalMap.Waiting
            : watch.state() instanceof TaskLocalMap.Attached attached
                && attached.id() == id(pinned[pin]));
  }

  private int id(int map) {
    try (TaskLocalMap once = TaskLocalMap.of(views[map].map().fd())) {
      return once.id();
    }
  }

  /** Waits until the watches have seen the pins, and left the maps that are no longer pinned. */
  private void settle() {
    if (settled) {
      return;
    }
    for (int pin = 0; pin < PINS; pin++) {
      int p = pin;
      Await.until(
          "a watch that has seen the pin of map " + pinned[p],
          () -> String.valueOf(watches[p]),
          ignored -> isSettled(p));
    }
    for (int map = 0; map < MAPS; map++) {
      BpfView view = views[map];
      if (!isAttached(map)) {
        Await.until(
            "no entries in a map that was left",
            () -> threads.stream().allMatch(each -> view.of(each.tid) == BpfView.NO_ENTRY));
      }
    }
    settled = true;
  }

  private boolean isAttached(int map) {
    if (!opened.get(map).isEmpty()) {
      return true;
    }
    for (int pin = 0; pin < PINS; pin++) {
      if (watches[pin] != null && pinned[pin] == map) {
        return true;
      }
    }
    return false;
  }

  // ---- what BPF has to see ----

  private void readByBpf() {
    settle();
    check(random.nextInt(MAPS), someThread(), random.nextInt(KEYS));
  }

  private long expected(int map, Model thread, int key) {
    if (!isAttached(map) || !thread.hasPage) {
      return BpfView.NO_ENTRY;
    }
    // The 64th key, in the order in which they are made, exists on wire A only.
    return keys[key] == null || isLast(map, key) ? BpfView.NO_KEY : thread.values[key];
  }

  private boolean isLast(int map, int key) {
    return views[map].wire() != Wire.A
        && ThreadPages.DIRECTORY.define("life.%02d".formatted(key), JAVA_INT).index()
            >= views[map].wire().maxKeys();
  }

  private void check(int map, Model thread, int key) {
    reads++;
    long seen = views[map].of(thread.tid, key);
    long expected = expected(map, thread, key);
    if (seen != expected) {
      throw new AssertionError(
          ("map %d of wire %s, thread %d, key %d: BPF sees %d instead of %d;"
                  + " open %s, pinned %s, watched %s")
              .formatted(
                  map,
                  views[map].wire(),
                  thread.tid,
                  key,
                  seen,
                  expected,
                  opened.get(map),
                  Arrays.toString(pinned),
                  Arrays.toString(watches)));
    }
  }

  private void writeByBpf() {
    settle();
    int map = random.nextInt(MAPS);
    Model thread = someThread();
    int key = random.nextInt(KEYS);
    int value = random.nextInt();
    long expected = expected(map, thread, key);
    long result = views[map].write(thread.tid, key, value);
    if (expected == BpfView.NO_ENTRY || expected == BpfView.NO_KEY) {
      same(expected, result, "what BPF finds to write to");
    } else {
      same(value, result, "what BPF wrote");
      thread.values[key] = value;
      writes++;
    }
  }

  private void checkAll() {
    settle();
    int key = random.nextInt(KEYS);
    long pages = threads.stream().filter(each -> each.hasPage).count();
    for (int map = 0; map < MAPS; map++) {
      for (Model thread : threads) {
        check(map, thread, key);
      }
      for (Model thread : ended) {
        checkEnded(views[map], thread);
      }
      for (TaskLocalMap each : opened.get(map)) {
        checkCounts(each, pages);
      }
    }
    for (TaskLocalMap each : watches) {
      if (each != null && each.state() instanceof TaskLocalMap.Attached) {
        checkCounts(each, pages);
      }
    }
    for (Held each : held) {
      same(each.thread.values[each.key], each.bound.get(), "bound value of key " + each.key);
    }
  }

  private void checkEnded(BpfView view, Model thread) {
    if (threads.stream().anyMatch(each -> each.tid == thread.tid)) {
      return; // another thread has the tid now
    }
    Await.until(
        "no entry of thread " + thread.tid + ", which has ended",
        () -> view.of(thread.tid) >= BpfView.NO_TASK);
    if (thread.outside != null) {
      Await.until("the end of " + thread.outside, () -> !thread.outside.isAlive());
      try {
        keys[someKey()].set(thread.outside, 1);
        throw new AssertionError(
            "a value could be set for " + thread.outside + ", which has ended");
      } catch (NotFoundException e) {
        if (!e.getMessage().contains(String.valueOf(thread.tid))) {
          throw e;
        }
      }
    }
  }

  private static void checkCounts(TaskLocalMap map, long pages) {
    int ignored =
        Await.until(
            "the %d threads that have values in %s".formatted(pages, map),
            map::threads,
            threads -> threads == pages);
    same(0, map.failures(), "failures of " + map);
    same(0, map.unregistered().size(), "unregistered threads of " + map);
  }

  private void end() {
    settle();
    checkAll();
    opened.forEach(each -> each.forEach(TaskLocalMap::close));
    Arrays.stream(watches).filter(Objects::nonNull).forEach(TaskLocalMap::close);
    for (BpfView view : views) {
      for (Model thread : threads) {
        same(BpfView.NO_ENTRY, view.of(thread.tid), "entry after the end");
      }
    }
    threads.forEach(Model::close);
    for (BpfView view : views) {
      view.close();
    }
  }

  private static void same(long expected, long found, String what) {
    if (expected != found) {
      throw new AssertionError(what + " is " + found + " instead of " + expected);
    }
  }
}
