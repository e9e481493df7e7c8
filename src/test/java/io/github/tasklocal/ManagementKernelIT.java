// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.LinuxKernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.management.TaskLocalMXBean;
import io.github.tasklocal.management.TaskLocalMXBean.MapView;
import io.github.tasklocal.memory.KeeperRounds;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import javax.management.JMX;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What JMX and the Flight Recorder show of maps, threads and failures. */
@KernelTest
class ManagementKernelIT {

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);

  private static final MBeanServer SERVER = ManagementFactory.getPlatformMBeanServer();

  private static BpfView view;
  private static ObjectName name;

  @BeforeAll
  static void load(@TempDir Path folder) throws Exception {
    view = BpfView.load(BpfView.compile(folder, Wire.C), Wire.C);
    name = new ObjectName(TaskLocalMXBean.NAME);
  }

  @AfterAll
  static void close() {
    view.close();
  }

  private static void awaitBean(boolean isThere) {
    Await.until(
        isThere ? "the bean to come" : "the bean to go",
        () -> SERVER.isRegistered(name) == isThere);
  }

  private static TaskLocalMXBean bean() {
    return JMX.newMXBeanProxy(SERVER, name, TaskLocalMXBean.class);
  }

  @Test
  void theBeanIsThereAsLongAsAMapIsOpenAndShowsKeysMapsAndThreads() {
    awaitBean(false);
    try (Worker worker = new Worker("shared");
        TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      worker.run(() -> VALUE.set(7));
      awaitBean(true);
      assertThat(bean().getKeys())
          .anySatisfy(
              key -> {
                assertThat(key.name()).isEqualTo("life.00");
                assertThat(key.layout()).contains("i4");
                assertThat(key.bytes()).isEqualTo(4);
              });
      MapView shown = bean().getMaps().getFirst();
      assertThat(shown.state()).isEqualTo("attached");
      assertThat(shown.id()).isEqualTo(map.id());
      assertThat(shown.wire()).isEqualTo("C");
      assertThat(shown.threads()).isEqualTo(map.threads()).isPositive();
      assertThat(shown.unregistered()).isZero();
      assertThat(shown.problem()).isNull();
      assertThat(bean().getUnshownThreads()).isEmpty();
      assertThat(bean().getFailures()).isEmpty();
    }
    awaitBean(false);
  }

  @Test
  void failuresAreCountedByKindAndThreadsThatAreNotShownHaveTheReason() {
    try (Worker worker = new Worker("taken");
        TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      foreignEntry(worker);
      worker.run(() -> VALUE.set(7));
      awaitBean(true);
      assertThat(bean().getFailures()).containsOnlyKeys("EntryExistsException EEXIST");
      assertThat(bean().getUnshownThreads())
          .singleElement()
          .satisfies(
              thread -> {
                assertThat(thread.tid()).isEqualTo(worker.tid());
                assertThat(thread.thread()).isEqualTo("taken");
                assertThat(thread.reason()).contains("TAKE_OVER");
              });
      MapView shown = bean().getMaps().getFirst();
      assertThat(shown.unregistered()).isEqualTo(1);
      assertThat(shown.failures()).isEqualTo(map.failures()).isEqualTo(1);
      assertThat(shown.problem()).contains("EEXIST");
    }
  }

  private static void foreignEntry(Worker worker) {
    try (KernelMap map = KernelMap.duplicate(view.map().fd());
        Arena arena = Arena.ofConfined()) {
      MemorySegment page = Arena.global().allocate(DataPage.SIZE, DataPage.SIZE);
      MemorySegment value = arena.allocate(view.wire().valueSize(), 8);
      MapValue.write(value, view.wire(), page.address(), page.address(), 1);
      Task task = Task.of(worker.tid(), worker.thread());
      assertThat(new TaskStorage(new LinuxKernel()).put(map, task, value, false)).isTrue();
    }
  }

  @Test
  void aMapThatIsWaitedForIsShownAsThat() throws IOException {
    try (Bpffs bpffs = new Bpffs("rwx------");
        TaskLocalMap map = TaskLocalMap.watch(bpffs.path("later"))) {
      awaitBean(true);
      MapView shown = bean().getMaps().getFirst();
      assertThat(shown.state()).isEqualTo("waiting");
      assertThat(shown.name()).contains("later");
      assertThat(map.state()).isInstanceOf(TaskLocalMap.Waiting.class);
      view.map().pin(bpffs.path("later"));
      Await.until("the map", () -> bean().getMaps().getFirst().state().equals("attached"));
    }
  }

  @Test
  void oneBeanAnswersForTheProcessWhateverTheCopies() throws Exception {
    SecondCopy copy = new SecondCopy();
    try (Worker worker = new Worker("shared");
        SecondCopy.CopiedMap theirs = copy.open(view.map().fd())) {
      worker.run(() -> copy.set(1));
      try (TaskLocalMap ours = TaskLocalMap.of(view.map().fd())) {
        awaitBean(true);
        KeeperRounds.pass();
        assertThat(bean().getMaps()).singleElement().extracting(MapView::id).isEqualTo(ours.id());
      }
      // Whosever bean it was, the other copy's is there by then.
      KeeperRounds.pass(copy::keeperRounds);
      awaitBean(true);
      assertThat(bean().getMaps()).singleElement().extracting(MapView::threads).isEqualTo(1);
      assertThat(theirs.failures()).isZero();
    }
    awaitBean(false);
  }

  @Test
  void aRecordingHasTheMapAndTheThreadsThatAreNotShown() throws Exception {
    Queue<RecordedEvent> maps = new ConcurrentLinkedQueue<>();
    Queue<RecordedEvent> threads = new ConcurrentLinkedQueue<>();
    try (RecordingStream recording = new RecordingStream();
        Worker worker = new Worker("taken")) {
      recording.onEvent("io.github.tasklocal.Map", maps::add);
      recording.onEvent("io.github.tasklocal.UnshownThread", threads::add);
      recording.startAsync();
      foreignEntry(worker);
      try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
        worker.run(() -> VALUE.set(7));
        Await.until("an event of the thread", () -> !threads.isEmpty());
        RecordedEvent thread = threads.element();
        assertThat(thread.getInt("tid")).isEqualTo(worker.tid());
        assertThat(thread.getString("reason")).contains("TAKE_OVER");
        Await.until(
            "an event of the map with the failure",
            () ->
                maps.stream()
                    .anyMatch(
                        each ->
                            each.getString("state").equals("attached")
                                && each.getInt("unregistered") == 1
                                && each.getInt("failures") == 1
                                && each.getString("failureKinds")
                                    .contains("EntryExistsException EEXIST=1")));
        assertThat(map.failures()).isEqualTo(1);
      }
    }
  }
}
