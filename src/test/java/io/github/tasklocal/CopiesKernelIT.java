// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Garbage;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.KeeperRounds;
import io.github.tasklocal.memory.ThreadPages;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.StringWriter;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Several copies of the library in one process, each in a class loader of its own. */
@KernelTest
class CopiesKernelIT {

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);

  private static final Map<Wire, BpfView> VIEWS = new EnumMap<>(Wire.class);

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

  private static TaskLocalMap open(BpfView view) {
    return TaskLocalMap.of(view.map().fd());
  }

  @ParameterizedTest
  @EnumSource
  void equalKeysOfTwoCopiesAreOneValueAndDifferentKeysLieBesideEachOther(Wire wire) {
    BpfView view = VIEWS.get(wire);
    SecondCopy copy = new SecondCopy();
    SecondCopy other = new SecondCopy("life.01");
    try (Worker both = new Worker("both");
        Worker second = new Worker("second", true);
        TaskLocalMap map = open(view)) {
      both.run(() -> VALUE.set(1));
      assertThat((int) both.call(copy::get)).isEqualTo(1);
      both.run(() -> copy.set(2));
      both.run(() -> other.set(3));
      assertThat((int) both.call(VALUE::get)).isEqualTo(2);
      assertThat(view.of(both.tid())).isEqualTo(2);
      assertThat(view.of(both.tid(), 1)).isEqualTo(3);
      second.run(() -> other.set(4));
      second.run(() -> copy.set(5));
      assertThat(view.of(second.tid(), 1)).isEqualTo(4);
      assertThat((int) second.call(VALUE::get)).isEqualTo(5);
      assertThat(map.unregistered()).isEmpty();
      assertThat(map.failures()).isZero();
    }
  }

  @ParameterizedTest
  @EnumSource
  void aMapThatOneCopyOpensHasTheThreadsOfAll(Wire wire) {
    BpfView view = VIEWS.get(wire);
    SecondCopy copy = new SecondCopy();
    SecondCopy third = new SecondCopy();
    try (Worker before = new Worker("before");
        Worker after = new Worker("after");
        Worker own = new Worker("own")) {
      before.run(() -> third.set(1));
      try (SecondCopy.CopiedMap map = copy.open(view.map().fd())) {
        assertThat(view.of(before.tid())).isEqualTo(1);
        after.run(() -> third.set(2));
        assertThat(view.of(after.tid())).as("at once").isEqualTo(2);
        own.run(() -> VALUE.set(3));
        assertThat(view.of(own.tid())).as("at once").isEqualTo(3);
        KeeperRounds.pass(copy::keeperRounds);
        assertThat(map.failures()).isZero();
      }
      for (Worker each : List.of(before, after, own)) {
        assertThat(view.of(each.tid())).isEqualTo(BpfView.NO_ENTRY);
      }
      assertThat((int) before.call(VALUE::get)).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @EnumSource
  void entriesStayUntilTheLastCopyHasClosedTheMap(Wire wire) {
    BpfView view = VIEWS.get(wire);
    SecondCopy copy = new SecondCopy();
    try (Worker ours = new Worker("ours");
        Worker copys = new Worker("copys");
        Worker later = new Worker("later")) {
      ours.run(() -> VALUE.set(1));
      copys.run(() -> copy.set(2));
      SecondCopy.CopiedMap copied = copy.open(view.map().fd());
      TaskLocalMap map = open(view);
      int threads = map.threads();
      assertThat(threads).isGreaterThanOrEqualTo(2);
      copied.close();
      later.run(() -> copy.set(3));
      assertThat(view.of(ours.tid())).isEqualTo(1);
      assertThat(view.of(copys.tid())).isEqualTo(2);
      assertThat(view.of(later.tid())).isEqualTo(3);
      assertThat(map.threads()).isEqualTo(threads + 1);
      KeeperRounds.pass();
      assertThat(map.failures()).isZero();
      map.close();
      for (Worker each : List.of(ours, copys, later)) {
        assertThat(view.of(each.tid())).isEqualTo(BpfView.NO_ENTRY);
      }
    }
  }

  @Test
  void anEndedThreadsPageServesAnotherOnceNoCopyHoldsIt() throws Exception {
    SecondCopy copy = new SecondCopy();
    List<Object> held = new ArrayList<>();
    Worker gone = new Worker("gone");
    gone.run(() -> VALUE.set(9));
    gone.run(() -> held.add(copy.bind()));
    gone.close();
    int before = ThreadPages.REGISTRY.pages();
    List<Worker> workers = Worker.start(3 * 16, VALUE, 100); // more than are free
    assertThat(held.getFirst().getClass().getMethod("get").invoke(held.getFirst()))
        .as("a page that a copy holds is left alone")
        .isEqualTo(9);
    workers.forEach(Worker::close);
    held.clear();
    for (int i = 0; i < 20; i++) {
      Garbage.collect();
      Worker.start(16, VALUE, 100).forEach(Worker::close);
    }
    assertThat(ThreadPages.REGISTRY.pages() - before).as("pages more").isLessThanOrEqualTo(4 * 16);
  }

  @Test
  void aCopyThatIsDroppedWithAMapOpenLeavesNoClassAndNoEntry() {
    BpfView view = VIEWS.get(Wire.C);
    try (Worker worker = new Worker("worker")) {
      WeakReference<ClassLoader> classes = dropped(view, worker);
      Await.until(
          "the end of the copy's classes",
          () -> {
            Garbage.collect();
            return classes.refersTo(null);
          });
      assertThat((int) worker.call(VALUE::get)).as("the value is the process's").isEqualTo(5);
      try (TaskLocalMap any = open(VIEWS.get(Wire.A))) {
        Await.until("its entry is out", () -> view.of(worker.tid()) == BpfView.NO_ENTRY);
        assertThat(view.of(worker.tid())).isEqualTo(BpfView.NO_ENTRY);
        assertThat(any.failures()).isZero();
      }
      try (TaskLocalMap map = open(view)) {
        assertThat(view.of(worker.tid())).isEqualTo(5);
        assertThat(map.failures()).isZero();
      }
    }
  }

  /** In a method of its own, as nothing of the copy may stay on the stack. */
  private static WeakReference<ClassLoader> dropped(BpfView view, Worker worker) {
    SecondCopy copy = new SecondCopy();
    SecondCopy.CopiedMap ignored = copy.open(view.map().fd());
    worker.run(() -> copy.set(5));
    assertThat(view.of(worker.tid())).isEqualTo(5);
    return copy.classes();
  }

  @Test
  void copiesComeAndGoInAnyOrderAndBpfSeesAllTheirValues() {
    long seed = new Random().nextLong();
    System.out.println("CopiesKernelIT: seed " + seed);
    Random random = new Random(seed);
    BpfView[] views = {VIEWS.get(Wire.A), VIEWS.get(Wire.C)};
    List<SecondCopy> copies = new ArrayList<>();
    List<List<SecondCopy.CopiedMap>> open = List.of(new ArrayList<>(), new ArrayList<>());
    List<Worker> workers = new ArrayList<>();
    List<Integer> values = new ArrayList<>();
    copies.add(new SecondCopy());
    for (int step = 0; step < 200; step++) {
      SecondCopy copy = copies.get(random.nextInt(copies.size()));
      int map = random.nextInt(2);
      switch (random.nextInt(7)) {
        case 0 -> {
          copies.add(new SecondCopy());
          if (copies.size() > 3) {
            SecondCopy ignored = copies.removeFirst(); // its maps, if any, stay for now
          }
        }
        case 1 -> open.get(map).add(copy.open(views[map].map().fd()));
        case 2 -> {
          if (!open.get(map).isEmpty()) {
            open.get(map).remove(random.nextInt(open.get(map).size())).close();
          }
        }
        case 3 -> {
          workers.add(new Worker("worker-" + step, random.nextBoolean()));
          values.add(0);
          int value = step;
          workers.getLast().run(() -> copy.set(value));
          values.set(values.size() - 1, value);
        }
        case 4 -> {
          if (workers.size() > 5) {
            workers.removeFirst().close();
            int ignored = values.removeFirst();
          }
        }
        default -> {
          if (!workers.isEmpty()) {
            int which = random.nextInt(workers.size());
            int value = step;
            workers.get(which).run(() -> copy.set(value));
            values.set(which, value);
          }
        }
      }
      for (int i = 0; i < workers.size(); i++) {
        for (int v = 0; v < 2; v++) {
          assertThat(views[v].of(workers.get(i).tid()))
              .as("step " + step + ", worker " + i + ", map " + v + ", seed " + seed)
              .isEqualTo(open.get(v).isEmpty() ? BpfView.NO_ENTRY : values.get(i));
        }
      }
    }
    open.forEach(each -> each.forEach(SecondCopy.CopiedMap::close));
    workers.forEach(Worker::close);
  }

  @Test
  void aCopyBesideOneOfAnotherVersionSaysSoAndWorksAlone(@TempDir Path folder) {
    Jvm.Result result = Children.child("version", BpfView.compile(folder, Wire.C).toString());
    assertThat(result.output()).contains("Another version of this library", "value 7, threads 1");
    assertThat(result.exit()).isZero();
  }

  @Test
  void theSystemsPropertiesStayAsTheyWere() throws Exception {
    Properties before = System.getProperties();
    System.setProperties(new Properties());
    try (Worker worker = new Worker("worker")) {
      SecondCopy copy = new SecondCopy();
      worker.run(() -> VALUE.set(11));
      assertThat((int) worker.call(copy::get)).isEqualTo(11);
    } finally {
      System.setProperties(before);
    }
    before.list(new PrintStream(new ByteArrayOutputStream()));
    before.store(new StringWriter(), null);
    before.storeToXML(new ByteArrayOutputStream(), null);
  }

  @Test
  void aSecondCopyDoesNotTakeTheVerifiersLogAway(@TempDir Path folder) {
    Path refused = Clang.compile(folder, "refused");
    BpfView view = VIEWS.get(Wire.A);
    SecondCopy copy = new SecondCopy();
    assertThatThrownBy(() -> BpfObject.load(refused)).hasMessageContaining("verifier");
    copy.open(view.map().fd()).close(); // from here on it uses libbpf, too
    assertThatThrownBy(() -> BpfObject.load(refused)).hasMessageContaining("verifier");
  }
}
