// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.Worker;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.layout.KeyDirectory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A registry of its own with threads and maps, and what has to be true of it at any time. */
final class World implements AutoCloseable {

  final FailingKernel kernel = new FailingKernel();
  private final Object[] parts;
  final Key key;
  final Registry registry;
  final Maps maps;

  /** Another copy of the library, if it has joined. */
  private @Nullable Registry second;

  private final List<Person> persons = new ArrayList<>();
  private final Map<BpfView, OpenMap> open = new LinkedHashMap<>();
  private final List<Watch> watches = new ArrayList<>();
  private final long descriptors = descriptors();
  private int next = 100;

  World() {
    this(DataPage.SIZE);
  }

  /** Makes one in which each thread has so many bytes. */
  World(int bytes) {
    parts = SharedData.fresh(bytes);
    SharedData data = new SharedData(parts);
    KeyDirectory keys = data.directory();
    key = keys.define("life.00", JAVA_INT);
    registry =
        new Registry(kernel, System::nanoTime, ThreadLists.forTest(), keys, data, thread -> {});
    maps = registry.maps();
    kernel.lock = registry.lock;
  }

  /** {@return how many pidfds and maps are open; the JDK loses a file's where memory runs out} */
  private static long descriptors() {
    return Descriptors.all().values().stream().filter(each -> each.contains("anon_inode")).count();
  }

  /** Another copy of the library joins. */
  void join() {
    SharedData same = new SharedData(parts);
    second =
        new Registry(
            kernel, System::nanoTime, ThreadLists.forTest(), same.directory(), same, thread -> {});
  }

  /** {@return the registry of the copy that has joined} */
  Registry second() {
    return Objects.requireNonNull(second);
  }

  /** A thread with a value. */
  final class Person implements AutoCloseable {
    final Worker worker = new Worker("person-" + persons.size());
    final int value = next++;
    ThreadPage page;

    private Person() {}

    /** Uses a key for the first time, in its own thread. */
    void first() {
      page = inOwnThread(() -> registry.first(Thread.currentThread()));
      set();
    }

    /** Uses a key of the second copy, which is the same. */
    void firstInSecond() {
      page = inOwnThread(() -> second().first(Thread.currentThread()));
      set();
    }

    /** Begins as a thread with a reserved page does. */
    void begin(ThreadPage reserved) {
      page = inOwnThread(() -> registry.begin(reserved, Thread.currentThread()));
      set();
    }

    private ThreadPage inOwnThread(Supplier<ThreadPage> work) {
      return Thread.currentThread() == worker.thread() ? work.get() : worker.call(work);
    }

    /** Has its value set by another thread. */
    void borrowed() {
      ThreadPage borrowed = registry.holds.borrow(task());
      page = borrowed;
      set();
      borrowed.giveBack();
    }

    Task task() {
      return Task.ofKernel(worker.tid());
    }

    private void set() {
      Memory.ALL.set(JAVA_INT, page.start + key.offset(), value);
    }

    int get() {
      return Memory.ALL.get(JAVA_INT, page.start + key.offset());
    }

    @Override
    public void close() {
      worker.close();
    }
  }

  /** {@return a thread that has no page yet} */
  Person person() {
    Person person = new Person();
    persons.add(person);
    return person;
  }

  /** {@return a thread with a value} */
  Person citizen() {
    Person person = person();
    person.first();
    return person;
  }

  void open(BpfView view) {
    KernelMap map = KernelMap.duplicate(view.map().fd());
    open.put(view, maps.open(map, view.wire(), false));
  }

  /** The second copy opens a map. */
  OpenMap openInSecond(BpfView view) {
    return second().maps().open(KernelMap.duplicate(view.map().fd()), view.wire(), false);
  }

  void close(BpfView view) {
    OpenMap map = open.get(view);
    if (map != null) {
      maps.close(map);
      open.remove(view);
    }
  }

  OpenMap map(BpfView view) {
    return open.get(view);
  }

  Watch watch(Path pin) {
    Watch watch = new Watch(maps, List.of(pin), null, () -> {});
    watches.add(watch);
    return watch;
  }

  /** Everything that has to be true, whatever has failed before: the kernel is healthy now. */
  void check(List<BpfView> views) {
    maps.tend(1000);
    if (second != null) {
      second.maps().tend(1000);
    }
    CompletableFuture<Integer> free = new CompletableFuture<>();
    Thread.ofPlatform().daemon().start(() -> free.complete(registry.pages()));
    int ignored = Await.result("the lock", free);
    for (Person person : persons) {
      if (person.page == null) {
        continue;
      }
      assertThat(person.get()).as("the thread's own value").isEqualTo(person.value);
      for (BpfView view : views) {
        assertThat(view.of(person.worker.tid())).as("what BPF sees").isEqualTo(person.value);
      }
    }
    for (OpenMap map : maps.all()) {
      assertThat(maps.registrations().unregistered(map)).as("threads without an entry").isEmpty();
    }
  }

  List<Person> persons() {
    return persons;
  }

  /** Ends all threads and closes all maps, after which nothing may be left. */
  @Override
  public void close() {
    kernel.disarm();
    persons.forEach(Person::close);
    watches.forEach(Watch::close);
    open.values().forEach(maps::close);
    maps.tend(0);
    assertThat(maps.all()).as("open maps").isEmpty();
    Await.until(
        "the end of every thread",
        () -> {
          maps.tend(1000);
          return registry.threads.first() == null;
        });
    long ignored =
        Await.until(
            "no pidfd or map that is left open", World::descriptors, now -> now <= descriptors);
  }
}
