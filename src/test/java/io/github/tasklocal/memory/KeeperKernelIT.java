// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What may come over the library's own thread, and it goes on. */
@KernelTest
class KeeperKernelIT {

  private static final TaskLocal.OfInt KEY = TaskLocal.of("life.00", ValueLayout.JAVA_INT);

  private static Bpffs bpffs;
  private static BpfView view;

  private final Path pin = bpffs.path("keeper");
  private final Path other = bpffs.path("other");

  @BeforeAll
  static void load(@TempDir Path folder) {
    view = BpfView.load(BpfView.compile(folder, Wire.C), Wire.C);
    bpffs = new Bpffs("rwx------");
  }

  @AfterAll
  static void unload() throws IOException {
    view.close();
    bpffs.close();
  }

  @AfterEach
  void removePins() throws IOException {
    Files.deleteIfExists(pin);
    Files.deleteIfExists(other);
  }

  private static Thread keeper() {
    return Await.until(
            "the keeper",
            () ->
                Thread.getAllStackTraces().keySet().stream()
                    .filter(each -> each.getName().equals("tasklocal-keeper") && each.isAlive())
                    .findFirst(),
            found -> found.isPresent())
        .orElseThrow();
  }

  private void awaitFollowed(TaskLocalMap watch) {
    Await.change(
        "a map that comes",
        () -> watch.state() instanceof TaskLocalMap.Attached,
        () -> view.map().pin(pin));
    KEY.set(1);
    Await.change(
        "a map that goes",
        () -> watch.state() instanceof TaskLocalMap.Waiting,
        () -> Files.delete(pin));
  }

  @Test
  void anInterruptMeansNothingToIt() {
    try (TaskLocalMap watch = TaskLocalMap.watch(pin)) {
      Thread keeper = keeper();
      keeper.interrupt();
      Await.until("an interrupt that was taken", () -> !keeper.isInterrupted());
      awaitFollowed(watch);
      assertThat(keeper.isAlive()).isTrue();
    }
  }

  @Test
  void itBelongsToNoApplicationsGroup() throws Exception {
    ThreadGroup application = new ThreadGroup("application");
    TaskLocalMap[] watch = new TaskLocalMap[1];
    Thread starter = new Thread(application, () -> watch[0] = TaskLocalMap.watch(pin));
    starter.start();
    starter.join();
    try (TaskLocalMap followed = watch[0]) {
      assertThat(keeper().getThreadGroup().getParent()).isNull();
      application.interrupt();
      awaitFollowed(followed);
    }
  }

  @Test
  void aListenerThatBlocksStopsNoOtherWatch() throws Exception {
    CountDownLatch blocked = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    try (TaskLocalMap slow = TaskLocalMap.watch(other);
        TaskLocalMap watch = TaskLocalMap.watch(pin)) {
      slow.addListener(
          state -> {
            if (state instanceof TaskLocalMap.Attached) {
              blocked.countDown();
              try {
                release.await();
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
            }
          });
      view.map().pin(other);
      Await.until("the listener", () -> blocked.getCount() == 0);
      try {
        awaitFollowed(watch);
        KeeperRounds.pass();
      } finally {
        release.countDown();
      }
    }
  }

  @Test
  void aListenerThatThrowsAnErrorOrInterruptsItsThreadStopsNothing() {
    try (TaskLocalMap watch = TaskLocalMap.watch(pin)) {
      Thread test = Thread.currentThread();
      watch.addListener(
          state -> {
            if (Thread.currentThread() != test) {
              Thread.currentThread().interrupt();
            }
            throw new StackOverflowError("as the test wants it");
          });
      awaitFollowed(watch);
      KeeperRounds.pass();
    }
  }
}
