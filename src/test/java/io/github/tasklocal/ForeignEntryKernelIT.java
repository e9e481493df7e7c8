// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocalMap.ForeignEntries;
import io.github.tasklocal.TaskLocalMap.Unregistered;
import io.github.tasklocal.error.EntryExistsException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.LinuxKernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.KeeperRounds;
import io.github.tasklocal.memory.ThreadPages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Entries of this process's threads that others make, and entries of ours that others delete. */
@KernelTest
class ForeignEntryKernelIT {

  private static final int FOREIGN = 999;

  private static final int FOREIGN_STAMP = 0x0f0e0d0c;

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);
  private static final long OFFSET = ThreadPages.DIRECTORY.define("life.00", JAVA_INT).offset();

  private static final Map<Wire, BpfView> VIEWS = new EnumMap<>(Wire.class);

  /** Another library's keys and page, with "life.00" at our offset. */
  private static final KeyDirectory KEYS;

  private static final MemorySegment PAGE;

  static {
    KEYS =
        new KeyDirectory(
            Arena.global().allocate(DataPage.SIZE, DataPage.SIZE),
            Arena.global().allocate(DataPage.SIZE, DataPage.SIZE));
    if (OFFSET > DataPage.START) {
      Key ignored =
          KEYS.define("padding", MemoryLayout.sequenceLayout(OFFSET - DataPage.START, JAVA_BYTE));
    }
    PAGE = Arena.global().allocate(DataPage.SIZE, DataPage.SIZE);
    DataPage.prepare(PAGE);
    PAGE.set(JAVA_INT, KEYS.define("life.00", JAVA_INT).offset(), FOREIGN);
  }

  private final List<String> logged = new CopyOnWriteArrayList<>();
  private final Logger logger = Logger.getLogger("io.github.tasklocal");
  private final Handler handler =
      new Handler() {
        @Override
        public void publish(LogRecord message) {
          logged.add(message.getMessage());
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
      };

  @BeforeAll
  static void load(@TempDir Path folder) throws Exception {
    for (Wire wire : Wire.values()) {
      Path each = Files.createDirectory(folder.resolve(wire.name()));
      VIEWS.put(wire, BpfView.load(BpfView.compile(each, wire), wire));
    }
  }

  @AfterAll
  static void close() {
    VIEWS.values().forEach(BpfView::close);
  }

  @BeforeEach
  void listen() {
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
  }

  @AfterEach
  void stopListening() {
    logger.removeHandler(handler);
    logger.setUseParentHandlers(true);
  }

  private static TaskLocalMap open(BpfView view) {
    return TaskLocalMap.of(view.map().fd());
  }

  /** Makes an entry as another library would that has the map, too. */
  private static void foreign(BpfView view, Worker worker, boolean replace) {
    try (KernelMap map = KernelMap.duplicate(view.map().fd());
        Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(view.wire().valueSize(), 8);
      MapValue.write(value, view.wire(), PAGE.address(), KEYS.metadata(view.wire()), FOREIGN_STAMP);
      Task task = Task.of(worker.tid(), worker.thread());
      assertThat(new TaskStorage(new LinuxKernel()).put(map, task, value, replace)).isTrue();
    }
    assertThat(view.of(worker.tid())).isEqualTo(FOREIGN);
  }

  private static void delete(BpfView view, Worker worker) {
    try (KernelMap map = KernelMap.duplicate(view.map().fd())) {
      new TaskStorage(new LinuxKernel()).remove(map, Task.of(worker.tid(), worker.thread()));
    }
  }

  private static List<Integer> unregistered(TaskLocalMap map) {
    return map.unregistered().stream().map(Unregistered::tid).toList();
  }

  @ParameterizedTest
  @EnumSource
  void aForeignEntryIsLeftAloneByDefault(Wire wire) {
    BpfView view = VIEWS.get(wire);
    try (Worker before = new Worker("before");
        Worker after = new Worker("after");
        Worker own = new Worker("own")) {
      own.run(() -> VALUE.set(1));
      before.run(() -> VALUE.set(2));
      foreign(view, before, false);
      foreign(view, after, false);
      try (TaskLocalMap map = open(view)) {
        after.run(() -> VALUE.set(3));
        assertThat(unregistered(map)).containsExactly(before.tid(), after.tid());
        assertThat(map.unregistered())
            .allSatisfy(
                each -> {
                  assertThat(each.reason()).isInstanceOf(EntryExistsException.class);
                  assertThat(each.reason()).hasMessageContaining("TAKE_OVER");
                })
            .extracting(Unregistered::thread)
            .containsExactly("before", "after");
        assertThat(map.failures()).isEqualTo(2);
        assertThat(map.lastFailure()).get().isInstanceOf(EntryExistsException.class);
        assertThat(((TaskLocalMap.Attached) map.state()).unregistered()).isEqualTo(2);
        KeeperRounds.pass(); // it is tried again
        assertThat(view.of(before.tid())).isEqualTo(FOREIGN);
        assertThat(view.of(after.tid())).isEqualTo(FOREIGN);
        assertThat(view.of(own.tid())).isEqualTo(1);
        assertThat(map.failures()).isEqualTo(2);
        assertThat((int) before.call(() -> VALUE.get())).isEqualTo(2);

        long ours =
            Await.change(
                "our entry once theirs is gone",
                () -> view.of(before.tid()),
                seen -> seen == 2,
                () -> delete(view, before));
        assertThat(ours).isEqualTo(2);
        assertThat(unregistered(map)).containsExactly(after.tid());
      }
      assertThat(view.of(own.tid())).isEqualTo(BpfView.NO_ENTRY);
      assertThat(view.of(after.tid())).as("theirs stays at close").isEqualTo(FOREIGN);
      assertThat(logged).hasSize(1).first().asString().contains("tid " + before.tid(), "EEXIST");
    }
  }

  @ParameterizedTest
  @EnumSource
  void aForeignEntryIsTakenOverIfTheMapIsToldTo(Wire wire) {
    BpfView view = VIEWS.get(wire);
    try (Worker before = new Worker("before");
        Worker after = new Worker("after")) {
      before.run(() -> VALUE.set(2));
      foreign(view, before, false);
      foreign(view, after, false);
      try (TaskLocalMap map = open(view)) {
        assertThat(unregistered(map)).as("%s", map.unregistered()).containsExactly(before.tid());
        map.foreignEntries(ForeignEntries.TAKE_OVER);
        assertThat(view.of(before.tid())).isEqualTo(2);
        after.run(() -> VALUE.set(3));
        assertThat(view.of(after.tid())).isEqualTo(3);
        assertThat(map.unregistered()).isEmpty();
        assertThat(map.failures()).isEqualTo(1);
        try (Worker third = new Worker("third")) {
          foreign(view, third, false);
          map.foreignEntries(ForeignEntries.LEAVE);
          third.run(() -> VALUE.set(4));
          assertThat(view.of(third.tid())).isEqualTo(FOREIGN);
          assertThat(view.of(after.tid())).isEqualTo(3);
        }
      }
      assertThat(view.of(before.tid())).isEqualTo(BpfView.NO_ENTRY);
      assertThat(view.of(after.tid())).isEqualTo(BpfView.NO_ENTRY);
    }
  }

  @Test
  void aWatchTakesOverInEachMapThatItMeets(@TempDir Path folder) throws Exception {
    try (Bpffs bpffs = new Bpffs("rwx------");
        Worker worker = new Worker("watched")) {
      worker.run(() -> VALUE.set(5));
      Path pin = bpffs.path("map");
      try (TaskLocalMap map = TaskLocalMap.watch(pin)) {
        map.foreignEntries(ForeignEntries.TAKE_OVER);
        for (int round = 0; round < 2; round++) {
          try (BpfView view = BpfView.load(BpfView.compile(folder, Wire.C), Wire.C)) {
            foreign(view, worker, false);
            Await.change("taken over", () -> view.of(worker.tid()) == 5, () -> view.map().pin(pin));
          }
          Await.until("left", () -> map.state() instanceof TaskLocalMap.Waiting);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aWatchThatMeetsAMapThatIsOpenAlreadyTakesOverToo(Wire wire) throws Exception {
    BpfView view = VIEWS.get(wire);
    try (Bpffs bpffs = new Bpffs("rwx------");
        Worker worker = new Worker("open already")) {
      worker.run(() -> VALUE.set(8));
      foreign(view, worker, false);
      Path pin = bpffs.path("map");
      try (TaskLocalMap open = open(view);
          TaskLocalMap watch = TaskLocalMap.watch(pin)) {
        watch.foreignEntries(ForeignEntries.TAKE_OVER);
        assertThat(unregistered(open)).containsExactly(worker.tid());
        assertThat(view.of(worker.tid())).isEqualTo(FOREIGN);
        Await.change(
            "attached",
            () -> watch.state() instanceof TaskLocalMap.Attached,
            () -> view.map().pin(pin));
        assertThat(view.of(worker.tid())).isEqualTo(8);
        assertThat(open.unregistered()).isEmpty();
      } finally {
        view.map().unpin(pin);
      }
      assertThat(view.of(worker.tid())).isEqualTo(BpfView.NO_ENTRY);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"A", "C"})
  void anEntryThatIsReplacedLaterIsSeenAndReportedOnce(Wire wire) {
    BpfView view = VIEWS.get(wire);
    try (Worker worker = new Worker("replaced");
        Worker other = new Worker("other")) {
      worker.run(() -> VALUE.set(6));
      other.run(() -> VALUE.set(7));
      try (TaskLocalMap map = open(view)) {
        int threads = map.threads();
        Await.change(
            "seen",
            () -> unregistered(map).equals(List.of(worker.tid())),
            () -> foreign(view, worker, true));
        assertThat(map.threads()).isEqualTo(threads - 1);
        assertThat(map.lastFailure())
            .get()
            .isInstanceOf(EntryExistsException.class)
            .asString()
            .contains("replaced", "tid " + worker.tid());
        KeeperRounds.pass();
        assertThat(view.of(worker.tid())).as("left").isEqualTo(FOREIGN);
        assertThat(map.failures()).isEqualTo(1);
        map.foreignEntries(ForeignEntries.TAKE_OVER);
        assertThat(view.of(worker.tid())).isEqualTo(6);
        assertThat(map.unregistered()).isEmpty();

        foreign(view, worker, true);
        Await.until("taken back", () -> view.of(worker.tid()) == 6);
        assertThat(map.failures()).as("each replacement is counted").isEqualTo(2);
        assertThat(view.of(other.tid())).isEqualTo(7);
        assertThat(map.threads()).isEqualTo(threads);
      }
      assertThat(logged).hasSize(1).first().asString().contains("tid " + worker.tid());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"A", "C"})
  void anEntryThatWasReplacedIsNotDeletedAtClose(Wire wire) {
    BpfView view = VIEWS.get(wire);
    try (Worker worker = new Worker("replaced at close")) {
      worker.run(() -> VALUE.set(6));
      try (TaskLocalMap map = open(view)) {
        assertThat(map.failures()).isZero();
        assertThat(view.of(worker.tid())).isEqualTo(6);
        foreign(view, worker, true);
      }
      assertThat(view.of(worker.tid())).isEqualTo(FOREIGN);
    }
  }

  @ParameterizedTest
  @EnumSource
  void anEntryThatIsDeletedBehindOurBackIsSetAgain(Wire wire) {
    BpfView view = VIEWS.get(wire);
    List<Worker> workers = Worker.start(200, VALUE, 100);
    try (TaskLocalMap map = open(view)) {
      for (int i : new int[] {0, 99, 199}) {
        delete(view, workers.get(i));
        assertThat(view.of(workers.get(i).tid())).isEqualTo(BpfView.NO_ENTRY);
      }
      for (int i : new int[] {0, 99, 199}) {
        Await.until("set again", () -> view.of(workers.get(i).tid()) == 100 + i);
      }
      Await.until("told", () -> map.failures() == 3);
      assertThat(map.lastFailure()).get().isInstanceOf(NotFoundException.class);
      assertThat(map.unregistered()).isEmpty();
      assertThat(logged).hasSize(1);
    } finally {
      workers.forEach(Worker::close);
    }
  }
}
