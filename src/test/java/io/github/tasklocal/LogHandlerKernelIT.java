// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocalMap.Attached;
import io.github.tasklocal.TaskLocalMap.Closed;
import io.github.tasklocal.TaskLocalMap.Waiting;
import io.github.tasklocal.kernel.Entries;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
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
import org.junit.jupiter.params.provider.ValueSource;

/** A log handler is the user's code: it may fail, and it may call the library. */
@KernelTest
class LogHandlerKernelIT {

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);

  private static Path object;
  private static Bpffs bpffs;

  private final Logger logger = Logger.getLogger("io.github.tasklocal");
  private final List<String> logged = new CopyOnWriteArrayList<>();
  private volatile Consumer<String> onRecord = logged::add;
  private final Handler handler =
      new Handler() {
        @Override
        public void publish(LogRecord message) {
          onRecord.accept(message.getMessage());
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
      };

  private BpfView view;
  private Path pin;

  /** Has used the key, and has an entry that is not the library's. */
  private Worker refused;

  /** Has used the key. */
  private Worker other;

  @BeforeAll
  static void prepare(@TempDir Path folder) throws IOException {
    object = BpfView.compile(folder, Wire.A);
    bpffs = new Bpffs("rwx------");
  }

  @AfterAll
  static void unmount() throws IOException {
    bpffs.close();
  }

  @BeforeEach
  void start() {
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
    view = BpfView.load(object, Wire.A);
    pin = bpffs.path("map");
    refused = new Worker("refused");
    other = new Worker("other");
    refused.run(() -> VALUE.set(1));
    other.run(() -> VALUE.set(2));
    Entries.makeForeign(view.map().fd(), refused.tid(), refused.thread());
  }

  @AfterEach
  void end() {
    refused.close();
    other.close();
    view.close();
    logger.removeHandler(handler);
    logger.setUseParentHandlers(true);
  }

  private void pinNoMap() {
    view.object().map("task_local_data_off_map").pin(pin);
  }

  @Test
  void whatAHandlerThrowsStopsNothingAndIsLoggedOnceItWorks() {
    List<String> lost = new CopyOnWriteArrayList<>();
    onRecord =
        message -> {
          lost.add(message);
          throw new StackOverflowError("a handler's own fault");
        };
    try (TaskLocalMap map = TaskLocalMap.watch(pin);
        Worker late = new Worker("late")) {
      Await.change("the handler fails in the keeper", () -> !lost.isEmpty(), this::pinNoMap);
      Await.change(
          "the pin is followed", () -> map.state() instanceof Attached, () -> view.map().pin(pin));
      assertThat(view.of(other.tid())).isEqualTo(2);
      Await.until("a record of the refused one", () -> hasRefused(lost));

      Await.change(
          "it is tried again",
          () -> view.of(refused.tid()) == 1,
          () -> Entries.remove(view.map().fd(), refused.tid(), refused.thread()));
      Entries.makeForeign(view.map().fd(), late.tid(), late.thread());
      late.run(() -> VALUE.set(3));
      assertThat((int) late.call(() -> VALUE.get())).isEqualTo(3);
      assertThat(map.failures()).isEqualTo(2);

      Await.change("it is logged", () -> hasRefused(logged), () -> onRecord = logged::add);
      assertThat(logged).hasSize(1);
    }
  }

  @Test
  void aFirstUseOfAKeyDoesNotThrowWhatAHandlerThrows() {
    onRecord =
        message -> {
          throw new StackOverflowError("a handler's own fault");
        };
    try (BpfView second = BpfView.load(object, Wire.A);
        TaskLocalMap map = TaskLocalMap.of(second.map().fd());
        Worker late = new Worker("late")) {
      Entries.makeForeign(second.map().fd(), late.tid(), late.thread());
      late.run(() -> VALUE.set(3));
      assertThat((int) late.call(() -> VALUE.get())).isEqualTo(3);
      assertThat(map.failures()).isEqualTo(1);
      Await.change("it is logged", () -> !logged.isEmpty(), () -> onRecord = logged::add);
      assertThat(logged).hasSize(1).first().asString().contains("tid " + late.tid());
    }
  }

  private boolean hasRefused(List<String> messages) {
    return messages.stream().anyMatch(each -> each.contains("tid " + refused.tid()));
  }

  /** Has the handler close the map, itself or in a thread that it waits for. */
  private void closeOnRecord(TaskLocalMap map, boolean byAnother) {
    onRecord =
        message -> {
          if (byAnother) {
            Thread closing = new Thread(map::close);
            closing.setDaemon(true);
            closing.start();
            logged.add(Await.ended(closing) ? "closed" : "waits for ever");
          } else {
            map.close();
            logged.add("closed");
          }
        };
  }

  private void isClosed(TaskLocalMap map, BpfView at) {
    Await.until("the handler has closed the map", () -> !logged.isEmpty());
    assertThat(logged).containsExactly("closed");
    assertThat(map.state()).isInstanceOf(Closed.class);
    try (Worker late = new Worker("late")) {
      late.run(() -> VALUE.set(4));
      // It was the only map, so the keeper ends, and nothing else could register the threads.
      Await.until("the keeper ends", () -> !WatchKernelIT.keeperRuns());
      assertThat(at.of(other.tid())).isEqualTo(BpfView.NO_ENTRY);
      assertThat(at.of(late.tid())).isEqualTo(BpfView.NO_ENTRY);
    }
    assertThat(map.state()).isInstanceOf(Closed.class);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aHandlerMayCloseAWatchThatHasFoundNoMap(boolean byAnother) {
    try (TaskLocalMap map = TaskLocalMap.watch(pin)) {
      assertThat(map.state()).isInstanceOf(Waiting.class);
      closeOnRecord(map, byAnother);
      Await.change("the handler is called", () -> !logged.isEmpty(), this::pinNoMap);
      view.map().pin(pin);
      isClosed(map, view);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aHandlerMayCloseAWatchThatCannotRegisterAThread(boolean byAnother) {
    try (TaskLocalMap map = TaskLocalMap.watch(pin)) {
      closeOnRecord(map, byAnother);
      view.map().pin(pin);
      isClosed(map, view);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aHandlerMayCloseAMapInAThreadsFirstUseOfAKey(boolean byAnother) {
    try (BpfView second = BpfView.load(object, Wire.A);
        TaskLocalMap map = TaskLocalMap.of(second.map().fd());
        Worker first = new Worker("first use")) {
      closeOnRecord(map, byAnother);
      Entries.makeForeign(second.map().fd(), first.tid(), first.thread());
      first.run(() -> VALUE.set(5));
      assertThat((int) first.call(() -> VALUE.get())).isEqualTo(5);
      isClosed(map, second);
    }
  }
}
