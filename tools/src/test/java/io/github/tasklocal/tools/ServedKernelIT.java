// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Java as a user without privileges, served over a socket. */
@KernelTest
class ServedKernelIT {

  private static final String PIDFDS = "--max-pages=16384";

  @TempDir Path folder;

  private static void awaitValues(ServeView view, Integer... values) {
    List<Integer> ignored =
        Await.until(
            "the values " + List.of(values),
            () -> view.values().stream().sorted().toList(),
            List.of(values)::equals);
  }

  @ParameterizedTest
  @ValueSource(strings = {PIDFDS, "--slots"})
  void threadsFromBeforeMoveThemselvesAndThoseToComeBeginThere(String way) throws Exception {
    try (ServeSide side = new ServeSide(folder, way);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("threads", 2, 1)).isEqualTo("done");
      assertThat(app.ask("own", 3)).isEqualTo("done");
      assertThat(app.ask("watch", side.socket()))
          .contains("Served", "threads=0, waiting=3, unregistered=0");
      assertThat(app.ask("threads", 1, 4)).isEqualTo("done");
      awaitValues(view, 4);
      assertThat(app.ask("get", 0)).isEqualTo("1");
      assertThat(app.ask("get", 2)).isEqualTo("3");
      awaitValues(view, 1, 3, 4);
      assertThat(app.ask("state")).contains("threads=3, waiting=1, unregistered=0");
      assertThat(app.ask("why")).contains("wait for its next use of a key");
      assertThat(app.ask("set", 1, 20)).isEqualTo("done");
      assertThat(app.ask("own", 5)).isEqualTo("done");
      awaitValues(view, 1, 3, 4, 5, 20);
      assertThat(app.ask("end", 0)).isEqualTo("done");
      awaitValues(view, 3, 4, 5, 20);
      assertThat(app.ask("close")).isEqualTo("done");
      awaitValues(view);
      assertThat(app.ask("get", 1)).isEqualTo("20");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "bind, its page is held by a Bound",
    "segment, it has had a segment of its page",
  })
  void aThreadWhosePageIsReachedOtherwiseStaysAndSaysWhy(String how, String reason)
      throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("threads", 1, 1)).isEqualTo("done");
      assertThat(app.ask(how, 0)).isEqualTo("done");
      assertThat(app.ask("watch", side.socket())).contains("threads=0, waiting=0, unregistered=1");
      assertThat(app.ask("why")).contains(reason, "-Dtasklocal.map");
      assertThat(app.ask("set", 0, 2)).isEqualTo("done");
      assertThat(app.ask("get", 0)).isEqualTo("2");
      assertThat(view.values()).isEmpty();
    }
  }

  @Test
  void aThreadThatRunsNoJavaMovesWithTheNextAccessToIt() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder)) {
      String tid = app.ask("compiler", 3);
      assertThat(app.ask("watch", side.socket())).contains("threads=0, waiting=1, unregistered=0");
      assertThat(app.ask("why")).contains("tid=" + tid, "-Dtasklocal.map");
      assertThat(view.values()).isEmpty();
      assertThat(app.ask("compiler", 4)).isEqualTo(tid);
      awaitValues(view, 4);
      app.await("threads=1, waiting=0, unregistered=0");
    }
  }

  @Test
  void aScopeEndsInThePageToWhichItsThreadHasMoved() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("threads", 1, 1)).isEqualTo("done");
      assertThat(app.ask("with", 0, side.socket())).isEqualTo("done");
      assertThat(app.ask("get", 0)).isEqualTo("1");
      awaitValues(view, 1);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {PIDFDS, "--slots"})
  void valuesAreSeenWhileTheServingSideIsAwayAndItGoesOn(String way) throws Exception {
    try (ServeSide side = new ServeSide(folder, way);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder, "-Dtasklocal.map=" + side.socket())) {
      assertThat(app.ask("threads", 2, 1)).isEqualTo("done");
      assertThat(app.ask("watch", side.socket())).contains("threads=2, waiting=0");
      awaitValues(view, 1, 2);
      side.kill();
      app.await("Waiting");
      assertThat(app.ask("threads", 1, 3)).isEqualTo("done");
      assertThat(app.ask("set", 0, 10)).isEqualTo("done");
      awaitValues(view, 2, 10);
      assertThat(app.ask("end", 1)).isEqualTo("done");
      awaitValues(view, 10);
      side.restart();
      app.await("Served");
      awaitValues(view, 3, 10);
      app.await("threads=2, waiting=0, unregistered=0");
    }
  }

  @Test
  void aServingSideThatTakesLongAfterItsRestartKeepsWhatItHasGranted() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder, "-Dtasklocal.map=" + side.socket())) {
      assertThat(app.ask("threads", 2, 1)).isEqualTo("done");
      assertThat(app.ask("watch", side.socket())).contains("threads=2");
      app.signal("STOP");
      side.kill();
      side.restart();
      side.process().signal("STOP");
      app.signal("CONT");
      app.await("does not answer");
      side.process().signal("CONT");
      app.await("threads=2, waiting=0, unregistered=0");
      awaitValues(view, 1, 2);
    }
  }

  @Test
  void aServingSideThatHasForgottenTheProcessGivesItNewPages() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--slots");
        ServedApp app = new ServedApp(folder)) {
      try (ServeView view = side.view()) {
        assertThat(app.ask("watch", side.socket())).contains("Served");
        assertThat(app.ask("threads", 2, 1)).isEqualTo("done");
        awaitValues(view, 1, 2);
      }
      side.kill();
      app.await("Waiting");
      side.forget();
      side.restart();
      app.await("Served");
      app.await("threads=0, waiting=2");
      try (ServeView view = side.view()) {
        assertThat(app.ask("get", 0)).isEqualTo("1");
        assertThat(app.ask("set", 1, 20)).isEqualTo("done");
        awaitValues(view, 1, 20);
      }
    }
  }

  @Test
  void arraysOfEarlierGrantsTakeNoMemoryOnceAllThreadsHaveLeftThem() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("watch", side.socket())).contains("Served");
      assertThat(app.ask("threads", 3, 1)).isEqualTo("done");
      Set<String> places = new HashSet<>(arrays(app));
      for (int grant = 2; grant <= 5; grant++) {
        side.kill();
        app.await("Waiting");
        side.forget();
        side.restart();
        app.await("Served");
        for (int thread = 0; thread < 3; thread++) {
          assertThat(app.ask("set", thread, 10 * grant + thread)).isEqualTo("done");
        }
        app.await("threads=3, waiting=0");
        assertThat(arrays(app)).hasSize(1);
        places.addAll(arrays(app));
      }
      assertThat(places).as("the next takes the place of the last but one").hasSize(2);
      try (ServeView view = side.view()) {
        awaitValues(view, 50, 51, 52);
      }
    }
  }

  @Test
  void anArrayStaysForAsLongAsSomethingHoldsAPageOfIt() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("watch", side.socket())).contains("Served");
      assertThat(app.ask("threads", 2, 1)).isEqualTo("done");
      assertThat(app.ask("bind", 0)).isEqualTo("done");
      side.kill();
      app.await("Waiting");
      side.forget();
      side.restart();
      app.await("Served");
      assertThat(app.ask("set", 0, 10)).isEqualTo("done");
      assertThat(app.ask("set", 1, 20)).isEqualTo("done");
      app.await("threads=1, waiting=0, unregistered=1");
      assertThat(arrays(app)).hasSize(2);
      assertThat(app.ask("get", 0)).isEqualTo("10");
    }
  }

  /** {@return which addresses of a process are those of arrays} */
  private static List<String> arrays(ServedApp app) throws IOException {
    return Files.readAllLines(Path.of("/proc/" + app.process().pid() + "/maps")).stream()
        .filter(line -> line.contains("bpf-map"))
        .map(line -> line.substring(0, line.indexOf(' ')))
        .toList();
  }

  @Test
  void aServingSideThatHangsKeepsNoThreadWaitingForLong() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("watch", side.socket())).contains("Served");
      assertThat(app.ask("threads", 1, 1)).isEqualTo("done");
      side.process().signal("STOP");
      assertThat(app.ask("threads", 200, 2)).isEqualTo("done");
      assertThat(app.ask("get", 150)).isEqualTo("151");
      side.process().signal("CONT");
      Await.until(
          "all values",
          () -> {
            for (int i = 0; i < 201; i++) {
              assertThat(ask(app, "get", i)).isEqualTo(Integer.toString(1 + i));
            }
            return view.values().size() == 201;
          });
    }
  }

  private static String ask(ServedApp app, Object... words) {
    try {
      return app.ask(words);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void threadsOfTheVirtualMachineAndOfOtherCopiesAreServedToo() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder, "-Dtasklocal.map=" + side.socket())) {
      assertThat(app.ask("copy", 1)).isEqualTo("done");
      awaitValues(view, 1);
      assertThat(app.ask("threads", 1, 2)).isEqualTo("done");
      String ignored = app.ask("compiler", 3);
      awaitValues(view, 1, 2, 3);
      assertThat(app.ask("watch", side.socket())).contains("threads=3");
    }
  }

  @Test
  void theConnectionOutlivesTheCopyThatMadeIt() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("watch-in-copy", side.socket())).isEqualTo("done");
      assertThat(app.ask("threads", 1, 1)).isEqualTo("done");
      awaitValues(view, 1);
      assertThat(app.ask("watch", side.socket())).contains("Served", "threads=1");
      assertThat(app.ask("unload")).isEqualTo("done");
      assertThat(app.ask("set", 0, 2)).isEqualTo("done");
      assertThat(app.ask("threads", 100, 3)).isEqualTo("done");
      awaitValues(view, IntStream.rangeClosed(2, 102).boxed().toArray(Integer[]::new));
      side.kill();
      app.await("Waiting");
      side.restart();
      app.await("Served");
      app.await("threads=101, waiting=0, unregistered=0");
    }
  }

  @Test
  void listenersAreToldWhetherTheProcessIsServed() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("watch", side.socket())).contains("Served");
      assertThat(app.ask("listen")).isEqualTo("done");
      side.kill();
      awaitHeard(app, "[Served, Waiting]");
      side.restart();
      awaitHeard(app, "[Served, Waiting, Served]");
      assertThat(app.ask("close")).isEqualTo("done");
      awaitHeard(app, "[Served, Waiting, Served, Closed]");
    }
  }

  /** Waits for these states, of which one may be told again with another reason. */
  private static void awaitHeard(ServedApp app, String states) {
    String ignored =
        Await.until(
            states, () -> ask(app, "heard").replaceAll("(\\w+)(, \\1)+\\b", "$1"), states::equals);
  }

  @Test
  void pagesServeOtherThreadsAlsoWhereMembarrierIsRefused() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--max-pages=64");
        ServeView view = side.view();
        ServedApp app = ServedApp.contained(folder)) {
      assertThat(app.ask("refuse", "membarrier")).isEqualTo("done");
      assertThat(app.ask("watch", side.socket())).contains("Served");
      assertThat(app.ask("threads", 62, 1)).isEqualTo("done");
      assertThat(view.values()).hasSize(62);
      for (int i = 0; i < 62; i++) {
        assertThat(app.ask("end", i)).isEqualTo("done");
      }
      awaitValues(view);
      assertThat(app.ask("threads", 1, 100)).isEqualTo("done");
      app.await("threads=0, waiting=1, unregistered=0"); // until then the pages rest
      assertThat(app.ask("get", 62)).isEqualTo("100");
      awaitValues(view, 100);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {PIDFDS, "--slots"})
  void aProcessThatIsContainedAsByAContainerEngineIsServed(String way) throws Exception {
    try (ServeSide side = new ServeSide(folder, way);
        ServeView view = side.view();
        ServedApp app = ServedApp.contained(folder)) {
      assertThat(app.ask("threads", 1, 1)).isEqualTo("done");
      assertThat(app.ask("watch", side.socket())).contains("Served", "waiting=1");
      assertThat(app.ask("threads", 1, 2)).isEqualTo("done");
      assertThat(app.ask("own", 3)).isEqualTo("done");
      assertThat(app.ask("get", 0)).isEqualTo("1");
      awaitValues(view, 1, 2, 3);
      assertThat(app.ask("state")).contains("threads=3, waiting=0, unregistered=0");
      side.kill();
      app.await("Waiting");
      assertThat(app.ask("set", 0, 4)).isEqualTo("done");
      side.restart();
      app.await("Served");
      awaitValues(view, 2, 3, 4);
    }
  }

  @Test
  void valuesOfVirtualThreadsAreSeenOnTheirCarriers() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServedApp app =
            new ServedApp(
                folder,
                "-Dtasklocal.map=" + side.socket(),
                "-Djdk.virtualThreadScheduler.parallelism=1",
                "-Djdk.virtualThreadScheduler.maxPoolSize=1",
                "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED")) {
      assertThat(app.ask("virtual", 7)).isEqualTo("done");
      // On a busy machine the serving side may answer late, and a carrier moves as it mounts.
      String ignored = app.ask("watch", side.socket());
      app.await("Served");
      assertThat(app.ask("spin", 0)).isEqualTo("done");
      awaitValues(view, 7);
    }
  }

  @Test
  void moreThreadsThanAnArrayHasPages() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("open", side.socket())).contains("Served");
      assertThat(app.ask("threads", 200, 1)).isEqualTo("done");
      awaitValues(view, IntStream.rangeClosed(1, 200).boxed().toArray(Integer[]::new));
      assertThat(app.ask("state")).contains("threads=200, waiting=0, unregistered=0");
    }
  }

  @Test
  void aLimitOfPagesIsSaidAndTheOtherThreadsGoOn() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--max-pages=64");
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("open", side.socket())).contains("Served");
      assertThat(app.ask("threads", 70, 1)).isEqualTo("done");
      assertThat(view.values()).hasSize(62);
      assertThat(app.ask("state")).contains("threads=62, waiting=0, unregistered=8");
      assertThat(app.ask("why")).contains("--max-pages");
      assertThat(app.ask("get", 69)).isEqualTo("70");
    }
  }

  private static ServedApp withFewDescriptors(Path folder) throws IOException {
    List<String> before = new ArrayList<>(List.of("sh", "-c", "ulimit -n 200; exec \"$@\"", "sh"));
    before.addAll(ServeClient.NOBODY);
    return new ServedApp(folder, before);
  }

  @Test
  void aGrantForWhichThereIsNoDescriptorIsAskedForAgain() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServedApp app = withFewDescriptors(folder)) {
      assertThat(app.ask("watch", side.socket())).contains("Served"); // all classes are loaded
      side.kill();
      app.await("Waiting");
      assertThat(app.ask("leave-descriptors", 1)).isEqualTo("done"); // for the connection
      side.forget();
      side.restart();
      app.await("no file descriptor is left");
      assertThat(app.ask("all-descriptors")).isEqualTo("done");
      app.await("Served");
    }
  }

  @Test
  void noArrayIsLostForLackOfDescriptors() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--max-pages=128");
        ServeView view = side.view();
        ServedApp app = withFewDescriptors(folder)) {
      assertThat(app.ask("watch", side.socket())).contains("Served");
      assertThat(app.ask("threads", 40, 1)).isEqualTo("done");
      assertThat(app.ask("leave-descriptors", 0)).isEqualTo("done");
      assertThat(app.ask("threads", 40, 41)).isEqualTo("done");
      assertThat(app.ask("why")).contains("ulimit -n");
      assertThat(app.ask("all-descriptors")).isEqualTo("done");
      useAllUntilRegistered(app);
      awaitValues(view, IntStream.rangeClosed(1, 80).boxed().toArray(Integer[]::new));
    }
  }

  /** Each thread moves to a page that is seen when it uses a key. */
  private static void useAllUntilRegistered(ServedApp app) {
    Await.until(
        "all 80 to be registered",
        () -> {
          for (int i = 0; i < 80; i++) {
            assertThat(ask(app, "get", i)).isEqualTo("" + (i + 1));
          }
          return ask(app, "state").contains("threads=80, waiting=0, unregistered=0");
        });
  }

  @Test
  void anArrayThatCannotBeMappedIsKeptUntilItCan() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--max-pages=128");
        ServeView view = side.view();
        ServedApp app = new ServedApp(folder)) {
      assertThat(app.ask("watch", side.socket())).contains("Served");
      try (Strace _ =
          Strace.ofAll(
              app.process().pid(),
              "mmap:error=ENOMEM",
              "anon_inode:bpf-map",
              folder.resolve("strace"))) {
        assertThat(app.ask("threads", 80, 1)).isEqualTo("done");
        assertThat(app.ask("state")).contains("threads=62");
        assertThat(app.ask("why")).contains("ENOMEM");
      }
      useAllUntilRegistered(app);
      awaitValues(view, IntStream.rangeClosed(1, 80).boxed().toArray(Integer[]::new));
    }
  }

  @Test
  void aPageServesAnotherMapAtTheSameTime() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--slots");
        ServeView served = side.view();
        Bpffs bpffs = new Bpffs("rwxrwxrwx");
        ServeView pinned = ServeView.ofMap(bpffs.path("other"), Wire.C)) {
      Files.setPosixFilePermissions(
          bpffs.path("other"), PosixFilePermissions.fromString("rw-rw-rw-"));
      try (ServedApp app = new ServedApp(folder)) {
        assertThat(app.ask("also", bpffs.path("other"))).isEqualTo("done");
        assertThat(app.ask("threads", 1, 1)).isEqualTo("done");
        awaitValues(pinned, 1);
        assertThat(app.ask("watch", side.socket())).contains("Served");
        assertThat(app.ask("set", 0, 2)).isEqualTo("done");
        assertThat(app.ask("threads", 1, 3)).isEqualTo("done");
        awaitValues(served, 2, 3);
        awaitValues(pinned, 2, 3);
      }
    }
  }

  @Test
  void aSocketWhereNobodyServesIsSaid() throws Exception {
    try (ServedApp app = new ServedApp(folder)) {
      List<String> said = new ArrayList<>();
      said.add(app.ask("watch", folder.resolve("none.sock")));
      assertThat(said).containsExactly("Waiting[problem=Optional.empty]");
    }
  }
}
