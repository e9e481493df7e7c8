// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.error.EntryExistsException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.KernelPage;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.LinuxKernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CyclicBarrier;
import java.util.function.Supplier;

/** Opening and closing maps, and which threads and keys a program sees meanwhile. */
final class MapTests {

  /** What {@code look_up.bpf.c} returns for a thread that has no entry in the map. */
  static final int NO_ENTRY = -1;

  /** What it returns where the process has no such key. */
  static final int NO_KEY = -2;

  private MapTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return Suite.of(
        TestCase.onEachWire(
            "What is opened by its path is shared with many threads until it is closed, twice",
            MapTests::byPath),
        TestCase.onEachMap(
            "A map opened by a descriptor is shared with many threads until it is closed, twice",
            MapTests::byDescriptor),
        TestCase.onEachWire(
            "A map that is opened twice stays shared until both are closed", MapTests::openedTwice),
        TestCase.withoutWire(
            "One page serves programs of all three wires at once",
            MapTests::allWires,
            Need.SHARED.toArray(Need[]::new)),
        TestCase.onWires(
            List.of(Wire.B, Wire.C),
            "A program with the kernel's own header finds values, whose pages are the kernel's",
            false,
            Need.KERNEL,
            MapTests::kernelHeader),
        TestCase.onEachWire(
            "A thread that began before the map was opened is shared too", MapTests::earlyThread),
        TestCase.onEachWire(
            "A thread registers itself at its first use of a key", MapTests::newThread),
        TestCase.onEachWire(
            "A key made after threads have registered is found in all of them", MapTests::lateKey),
        TestCase.onEachWire(
            "A key that BPF asks for in vain is found once it is made", MapTests::missingKey),
        TestCase.onEachMap(
            "An entry that something else made is reported and left alone", MapTests::foreignEntry),
        TestCase.onEachMap(
            "An entry that something else made is taken over if the caller says so",
            MapTests::takenOver),
        TestCase.onEachMap("An entry that somebody deletes is set again", MapTests::deletedEntry),
        TestCase.onEachMap(
            "A watched pin is waited for, followed when it is replaced, and left when it is gone",
            MapTests::watched));
  }

  /** The key of most tests here. */
  static TaskLocal.OfInt key() {
    return TaskLocal.of("looked_up", JAVA_INT);
  }

  private static void byPath(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    Path socket = Need.socket();
    if (socket != null) {
      openAndClose(fixture, object, () -> Fixture.served(socket));
      return;
    }
    Path pin = fixture.pin(fixture.wire().mapName());
    fixture.dataMap(object).pin(pin);
    openAndClose(fixture, object, () -> TaskLocalMap.open(pin));
    fixture.dataMap(object).unpin(pin);
    Check.that(Files.notExists(pin), pin + " is there after unpin");
  }

  private static void byDescriptor(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    BpfMap map = fixture.dataMap(object);
    openAndClose(fixture, object, () -> TaskLocalMap.of(map.fd()));
  }

  private static void openAndClose(
      Fixture fixture, BpfObject object, Supplier<TaskLocalMap> opening) throws Exception {
    BpfProgram lookUp = object.program("look_up");
    TaskLocal.OfInt key = key();
    int threads = fixture.threads();
    CyclicBarrier barrier = new CyclicBarrier(threads + 1);
    Parallel.run(
        threads + 1,
        index -> {
          boolean leader = index == threads;
          key.set(1000 + index);
          for (int round = 0; round < 2; round++) {
            barrier.await();
            Check.equal(NO_ENTRY, Fixture.find(lookUp), "BPF's look-up before the map is open");
            barrier.await();
            TaskLocalMap map = null;
            if (leader) {
              map = fixture.closing(opening.get());
              if (Need.socket() == null) {
                Check.equal(fixture.wire(), map.wire(), "the wire that the library reports");
              }
              Check.equal(0, map.failures(), "failed registrations: " + map.lastFailure());
            }
            barrier.await();
            key.set(key.get() + 1);
            Fixture.seen(key, lookUp, "the value in BPF while the map is open");
            barrier.await();
            if (map != null) {
              Check.that(
                  map.threads() > threads,
                  "only " + map.threads() + " of " + (threads + 1) + " threads are registered");
              map.close();
              map.close();
              Check.equal(0, map.threads(), "threads that are registered after close");
            }
            barrier.await();
            Check.equal(NO_ENTRY, Fixture.find(lookUp), "BPF's look-up after the map was closed");
            Check.equal(1001 + index + round, key.get(), "the value in Java after close");
          }
        });
  }

  private static void openedTwice(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    BpfProgram lookUp = object.program("look_up");
    key().set(5);
    TaskLocalMap first = fixture.share(object);
    TaskLocalMap second = fixture.share(object);
    if (Need.socket() == null) {
      Check.equal(first.id(), second.id(), "the id of the map");
    }
    Fixture.seen(key(), lookUp, "the value in BPF");
    Check.equal(0, second.failures(), "failed registrations: " + second.lastFailure());
    first.close();
    Check.equal(5, Fixture.find(lookUp), "the value in BPF after the first close");
    second.close();
    Check.equal(NO_ENTRY, Fixture.find(lookUp), "BPF's look-up after the second close");
  }

  private static void allWires(Fixture fixture) throws Exception {
    TaskLocal.OfInt key = key();
    key.set(1);
    List<BpfObject> objects = new ArrayList<>();
    for (Wire wire : Wire.values()) {
      BpfObject object = fixture.load("look_up", wire);
      objects.add(object);
      fixture.share(object, wire);
    }
    Parallel.run(
        4,
        index -> {
          for (int value = 1; value <= 20; value++) {
            key.set(value * 100 + index);
            for (BpfObject object : objects) {
              Check.equal(
                  key.get(), Fixture.find(object.program("look_up")), "the value in " + object);
            }
          }
        });
  }

  /** That header's structs are as large as the pages of the machine that it was compiled for. */
  private static void kernelHeader(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("kernel_header_" + KernelPage.BYTES / 1024 + "k");
    BpfProgram lookUp = object.program("look_up");
    TaskLocal.OfInt key = TaskLocal.of("own_header", JAVA_INT);
    TaskLocalMap map = fixture.share(object);
    int threads = fixture.threads();
    CyclicBarrier barrier = new CyclicBarrier(threads);
    Parallel.run(
        threads,
        index -> {
          key.set(1000 + index);
          barrier.await(); // all have a page at once, where threads share pages, too
          Check.equal(1000 + index, Fixture.find(lookUp), "the value in BPF");
        });
    Check.equal(0, map.failures(), "failed registrations");
  }

  private static void earlyThread(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    BpfProgram lookUp = object.program("look_up");
    CyclicBarrier barrier = new CyclicBarrier(3);
    Parallel.run(
        3,
        index -> {
          switch (index) {
            case 0 -> { // has used keys
              key().set(11);
              barrier.await();
              barrier.await();
              Fixture.seen(key(), lookUp, "a value set before the map was opened");
              Check.equal(11, Fixture.find(lookUp), "the same value");
            }
            case 1 -> { // has used none
              barrier.await();
              barrier.await();
              Check.equal(NO_ENTRY, Fixture.find(lookUp), "the look-up before any use of a key");
              key().set(12);
              Fixture.seen(key(), lookUp, "a value set after the map was opened");
            }
            default -> {
              barrier.await();
              fixture.share(object);
              barrier.await();
            }
          }
        });
  }

  private static void newThread(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    BpfProgram lookUp = object.program("look_up");
    TaskLocalMap map = fixture.share(object);
    for (int i = 0; i < 100; i++) {
      Parallel.run(
          1,
          index -> {
            Check.equal(NO_ENTRY, Fixture.find(lookUp), "the look-up before any use of a key");
            Check.equal(0, key().get(), "the value of a new thread in Java");
            Fixture.seen(key(), lookUp, "the value of a new thread in BPF");
            key().set(7);
            Check.equal(7, Fixture.find(lookUp), "the value that was set");
          });
      if (i % 20 == 0) {
        System.gc(); // pages of ended threads are used again from here on
      }
    }
    // A serving side on a busy machine may answer late, and is asked again.
    boolean wasLate =
        Need.socket() != null
            && map.lastFailure()
                .filter(e -> String.valueOf(e.getMessage()).contains("ETIMEDOUT"))
                .isPresent();
    if (!wasLate) {
      Check.equal(0, map.failures(), "failed registrations: " + map.lastFailure());
    }
  }

  private static String ofWire(Fixture fixture, String name) {
    return name + "." + fixture.wire().name().toLowerCase(Locale.ROOT);
  }

  private static void lateKey(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    fixture.share(object);
    CyclicBarrier barrier = new CyclicBarrier(fixture.threads());
    Parallel.run(
        fixture.threads(),
        index -> {
          key().set(1);
          Fixture.seen(key(), object.program("look_up"), "the value of the early key");
          barrier.await();
          TaskLocal.OfInt late = TaskLocal.of(ofWire(fixture, "late"), JAVA_INT);
          late.set(2000 + index);
          Check.equal(
              2000 + index,
              Fixture.find(object.program("look_up_late")),
              "the value of the late key");
        });
  }

  private static void missingKey(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    fixture.share(object);
    BpfProgram lookUp = object.program("look_up_missing");
    CyclicBarrier barrier = new CyclicBarrier(fixture.threads());
    Parallel.run(
        fixture.threads(),
        index -> {
          key().set(1);
          Fixture.seen(key(), object.program("look_up"), "the value of a key that is there");
          for (int i = 0; i < 3; i++) {
            Check.equal(NO_KEY, Fixture.find(lookUp), "the look-up of a key that nobody made");
          }
          barrier.await();
          TaskLocal.OfInt made = TaskLocal.of(ofWire(fixture, "missing"), JAVA_INT);
          made.set(3000 + index);
          Check.equal(3000 + index, Fixture.find(lookUp), "the value of the key once it is made");
        });
  }

  private static void foreignEntry(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    BpfProgram lookUp = object.program("look_up");
    registerWithoutUs(fixture, object);
    key().set(5);
    TaskLocalMap map = fixture.share(object);
    Check.equal(1, map.failures(), "failed registrations");
    Check.equal(
        EntryExistsException.class,
        map.lastFailure().map(Object::getClass).orElse(null),
        "the failure that the map reports");
    Check.equal(77, Fixture.find(lookUp), "the value in BPF, which is still theirs");
    Check.equal(5, key().get(), "our value in Java");
    map.close();
    Check.equal(77, Fixture.find(lookUp), "the value in BPF after close, which is still theirs");
  }

  private static void takenOver(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    registerWithoutUs(fixture, object);
    key().set(5);
    TaskLocalMap map = fixture.share(object);
    Check.equal(1, map.unregistered().size(), "threads that are not registered");
    map.foreignEntries(TaskLocalMap.ForeignEntries.TAKE_OVER);
    Check.equal(5, Fixture.find(object.program("look_up")), "the value in BPF, which is ours");
    Check.equal(0, map.unregistered().size(), "threads that are not registered then");
  }

  /** Makes an entry with the value 77 for the calling thread, as another library would. */
  private static void registerWithoutUs(Fixture fixture, BpfObject object) {
    Wire wire = fixture.wire();
    KeyDirectory theirs =
        new KeyDirectory(
            Arena.global().allocate(DataPage.SIZE, DataPage.SIZE),
            Arena.global().allocate(DataPage.SIZE, DataPage.SIZE));
    Key key = theirs.define("looked_up", JAVA_INT);
    MemorySegment page = Arena.global().allocate(DataPage.SIZE, DataPage.SIZE);
    DataPage.prepare(page);
    page.set(JAVA_INT, key.offset(), 77);
    try (KernelMap map = KernelMap.duplicate(fixture.dataMap(object).fd());
        Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(wire.valueSize(), Long.BYTES);
      MapValue.write(value, wire, page.address(), theirs.metadata(wire), 0);
      Check.that(
          new TaskStorage(new LinuxKernel())
              .put(map, Task.of(Libc.currentTid(), Thread.currentThread()), value, false),
          "a running thread is taken for one that has ended");
    }
  }

  private static void deletedEntry(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    BpfProgram lookUp = object.program("look_up");
    TaskLocalMap map = fixture.share(object);
    key().set(6);
    Check.equal(6, Fixture.find(lookUp), "the value in BPF");
    try (KernelMap entries = KernelMap.duplicate(fixture.dataMap(object).fd())) {
      Await.change(
          "the deletion to be seen",
          () -> map.failures() == 1,
          () ->
              new TaskStorage(new LinuxKernel())
                  .remove(entries, Task.of(Libc.currentTid(), Thread.currentThread())));
    }
    Check.equal(6, Fixture.find(lookUp), "the value in BPF, set again");
  }

  private static void watched(Fixture fixture) throws Exception {
    Path pin = fixture.pin(fixture.wire().mapName());
    TaskLocalMap map = fixture.closing(TaskLocalMap.watch(pin));
    key().set(8);
    Check.equal(new TaskLocalMap.Waiting(Optional.empty()), map.state(), "the state without a pin");
    BpfObject first = fixture.load("look_up");
    awaitLookUp(first, 8, () -> fixture.dataMap(first).pin(pin));
    awaitState(map, TaskLocalMap.Attached.class);
    Check.equal(fixture.wire(), map.wire(), "the wire that the library reports");

    BpfObject second = fixture.load("look_up");
    awaitLookUp(
        first, NO_ENTRY, () -> awaitLookUp(second, 8, () -> fixture.dataMap(second).pin(pin)));

    awaitLookUp(second, NO_ENTRY, () -> fixture.dataMap(second).unpin(pin));
    awaitState(map, TaskLocalMap.Waiting.class);
    Check.equal(8, key().get(), "the value in Java");
  }

  private static void awaitLookUp(BpfObject object, int value, Await.Cause cause) {
    BpfProgram lookUp = object.program("look_up");
    int ignored =
        Await.change(
            "the look-up to be " + value, () -> Fixture.find(lookUp), seen -> seen == value, cause);
  }

  private static void awaitState(TaskLocalMap map, Class<? extends TaskLocalMap.State> state) {
    TaskLocalMap.State ignored =
        Await.until("the state " + state.getSimpleName(), map::state, state::isInstance);
  }
}
