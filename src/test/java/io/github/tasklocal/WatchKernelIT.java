// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.TaskLocalMap.Attached;
import io.github.tasklocal.TaskLocalMap.Closed;
import io.github.tasklocal.TaskLocalMap.State;
import io.github.tasklocal.TaskLocalMap.Waiting;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.KeeperRounds;
import io.github.tasklocal.memory.ThreadPages;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A map that comes, goes and comes back, and several maps at once. */
@KernelTest
class WatchKernelIT {

  /** Held here, or the logger could be collected, and its setting with it. */
  private static final Logger LOGGER = Logger.getLogger("io.github.tasklocal");

  private static final int THREADS = 20;
  private static final int BASE = 1000;
  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);

  private static final Map<Wire, Path> FILES = new EnumMap<>(Wire.class);
  private static Bpffs bpffs;

  private Path pin;
  private List<Worker> workers;

  @BeforeAll
  static void prepare(@TempDir Path folder) throws IOException {
    LOGGER.setUseParentHandlers(false); // failing listeners and wrong pins would fill the output
    for (Wire wire : Wire.values()) {
      Path each = Files.createDirectory(folder.resolve(wire.name()));
      FILES.put(wire, BpfView.compile(each, wire));
    }
    bpffs = new Bpffs("rwx------");
  }

  @AfterAll
  static void unmount() throws IOException {
    LOGGER.setUseParentHandlers(true);
    bpffs.close();
  }

  @BeforeEach
  void startThreads() {
    pin = bpffs.path("map");
    workers = Worker.start(THREADS, VALUE, BASE);
  }

  @AfterEach
  void endThreads() {
    workers.forEach(Worker::close);
    assertThat(pin).as("what a test pinned").doesNotExist();
  }

  private static BpfView load(Wire wire) {
    return BpfView.load(FILES.get(wire), wire);
  }

  private boolean seesAll(BpfView view) {
    return IntStream.range(0, THREADS).allMatch(i -> view.of(workers.get(i).tid()) == BASE + i);
  }

  private boolean seesNone(BpfView view) {
    return workers.stream().allMatch(each -> view.of(each.tid()) == BpfView.NO_ENTRY);
  }

  private void awaitAll(BpfView view, Await.Cause cause) {
    Await.change("values of every thread in a new map", () -> seesAll(view), cause);
  }

  private static int id(State state) {
    return state instanceof Attached attached ? attached.id() : -1;
  }

  @ParameterizedTest
  @EnumSource
  void aMapThatIsPinnedLaterGetsEveryLiveThread(Wire wire) {
    try (TaskLocalMap map = TaskLocalMap.watch(pin)) {
      assertThat(map.state()).isInstanceOfSatisfying(Waiting.class, state -> noProblem(state));
      assertThat(map.threads()).isZero();
      assertThat(map.unregistered()).isEmpty();
      assertThatThrownBy(map::id).isInstanceOf(IllegalStateException.class);
      assertThatThrownBy(map::wire)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining(pin.toString());
      try (BpfView view = load(wire)) {
        awaitAll(view, () -> view.map().pin(pin));
        // The entries come first, then the state.
        Await.until("attached", () -> map.state() instanceof Attached);
        assertThat(map.state())
            .isInstanceOfSatisfying(
                Attached.class,
                state -> {
                  assertThat(state.id()).isEqualTo(map.id());
                  assertThat(state.wire()).isEqualTo(wire);
                  assertThat(state.threads()).isGreaterThanOrEqualTo(THREADS);
                  assertThat(state.unregistered()).isZero();
                });
        try (Worker late = new Worker("late")) {
          late.run(() -> VALUE.set(77));
          assertThat(view.of(late.tid())).isEqualTo(77);
        }
        assertThat(map.failures()).isZero();
      }
    }
  }

  @Test
  void aPinThatIsMountedAsAFileAndRemovedByItsOwnerIsNotTakenForALiveOne(@TempDir Path folder)
      throws IOException {
    Path mounted = Files.createFile(folder.resolve("map"));
    try (BpfView first = load(Wire.C);
        BpfView second = load(Wire.C)) {
      first.map().pin(pin);
      command("mount", "--bind", pin.toString(), mounted.toString());
      try (TaskLocalMap map = TaskLocalMap.watch(mounted)) {
        assertThat(seesAll(first)).isTrue();
        List<String> logged = logged(() -> second.map().pin(pin), "its owner has removed the file");
        assertThat(logged).hasSize(1).first().asString().contains(mounted.toString(), "the folder");
        assertThat(map.state())
            .isInstanceOfSatisfying(
                Waiting.class,
                state ->
                    assertThat(state.problem()).containsInstanceOf(WrongObjectException.class));
        assertThat(seesNone(first)).isTrue();
        command("umount", mounted.toString());
        command("mount", "--bind", pin.toString(), mounted.toString());
        Await.until("attached again", () -> map.state() instanceof Attached && seesAll(second));
      } finally {
        command("umount", mounted.toString());
      }
    }
  }

  private static void command(String... words) {
    Jvm.Result result = Jvm.run(List.of(words));
    assertThat(result.exit()).as(result.output()).isZero();
  }

  /** Causes something, and waits for a message; {@return all messages until then} */
  private static List<String> logged(Await.Cause cause, String part) {
    List<String> messages = new CopyOnWriteArrayList<>();
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord message) {
            messages.add(message.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    LOGGER.addHandler(handler);
    try {
      Await.change(
          "a message: " + part, () -> messages.stream().anyMatch(m -> m.contains(part)), cause);
    } finally {
      LOGGER.removeHandler(handler);
    }
    return messages;
  }

  @Test
  void aPathThatCanNeverHoldAPinIsSaidToBeSoAtOnce(@TempDir Path folder) {
    for (Path wrong : List.of(folder.resolve("map"), bpffs.path("map.v1"))) {
      TaskLocalMap[] map = new TaskLocalMap[1];
      List<String> logged = logged(() -> map[0] = TaskLocalMap.watch(wrong), wrong.toString());
      assertThat(logged).hasSize(1);
      assertThat(map[0].state())
          .isInstanceOfSatisfying(
              Waiting.class,
              state -> assertThat(state.problem()).containsInstanceOf(WrongObjectException.class));
      map[0].close();
    }
  }

  @Test
  void aWatchForWhichNothingComesSaysAfterAWhileThatItWaits() {
    for (Path absent : List.of(pin, bpffs.path("no").resolve("map"))) {
      TaskLocalMap[] map = new TaskLocalMap[1];
      List<String> logged =
          logged(() -> map[0] = TaskLocalMap.watch(absent), "no map has been pinned there");
      assertThat(logged).hasSize(1).first().asString().contains(absent.toString());
      assertThat(map[0].state()).isInstanceOfSatisfying(Waiting.class, state -> noProblem(state));
      map[0].close();
    }
  }

  @Test
  void aWatchToWhichNoServingSideComesNamesTheCommandAndInAContainerTheFolderToMount(
      @TempDir Path folder) {
    Path missing = folder.resolve("none");
    for (Path absent : List.of(folder.resolve("a.sock"), missing.resolve("a.sock"))) {
      TaskLocalMap[] map = new TaskLocalMap[1];
      List<String> logged =
          logged(() -> map[0] = TaskLocalMap.watch(absent), "no serving side has listened there");
      String volume = "mount the machine's there (-v %1$s:%1$s)".formatted(missing);
      assertThat(logged)
          .hasSize(1)
          .first()
          .satisfies(
              message -> {
                assertThat(message).contains(absent.toString(), "tasklocal-tools.jar serve");
                assertThat(message.contains(volume)).isEqualTo(absent.startsWith(missing));
              });
      map[0].close();
    }
  }

  private static void noProblem(Waiting state) {
    assertThat(state.problem()).isEmpty();
  }

  @Test
  void aMapThatIsPinnedAlreadyIsAttachedAtOnce() {
    try (BpfView view = load(Wire.A)) {
      view.map().pin(pin);
      try (TaskLocalMap map = TaskLocalMap.watch(pin, Wire.A)) {
        assertThat(map.state()).isInstanceOf(Attached.class);
        assertThat(seesAll(view)).isTrue();
      }
      assertThat(seesNone(view)).isTrue();
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aMapThatReplacesAnotherGetsEveryLiveThread(boolean inOneStep) {
    try (BpfView first = load(Wire.A);
        BpfView second = load(Wire.C)) {
      first.map().pin(pin);
      try (TaskLocalMap map = TaskLocalMap.watch(pin)) {
        int id = map.id();
        if (!inOneStep) {
          first.map().unpin(pin);
        }
        awaitAll(second, () -> second.map().pin(pin));
        Await.until("the first map is left", () -> seesNone(first));
        Await.until(
            "the second map in the state",
            () -> map.state() instanceof Attached attached && attached.wire() == Wire.C);
        assertThat(map.wire()).isEqualTo(Wire.C);
        assertThat(map.id()).isNotEqualTo(id);
        workers.get(3).run(() -> VALUE.set(4444));
        assertThat(second.of(workers.get(3).tid())).isEqualTo(4444);
        assertThat(map.failures()).isZero();
      }
      assertThat(seesNone(second)).isTrue();
    }
  }

  @Test
  void aPinThatIsRemovedEndsTheRegistrationAndAnotherBeginsANewOne() {
    try (BpfView view = load(Wire.B)) {
      view.map().pin(pin);
      try (TaskLocalMap map = TaskLocalMap.watch(pin)) {
        for (int round = 0; round < 3; round++) {
          Await.until("attached", () -> map.state() instanceof Attached);
          assertThat(seesAll(view)).isTrue();
          Await.change(
              "waiting",
              () -> map.state() instanceof Waiting && seesNone(view),
              () -> view.map().unpin(pin));
          assertThat(map.threads()).isZero();
          assertThat(map.lastFailure()).isEmpty();
          view.map().pin(pin);
        }
      }
    }
  }

  @Test
  void theSameMapPinnedAgainStaysAttachedWithoutAGap() throws Exception {
    try (BpfView view = load(Wire.A)) {
      view.map().pin(pin);
      List<State> states = new CopyOnWriteArrayList<>();
      try (TaskLocalMap map = TaskLocalMap.watch(pin)) {
        map.addListener(states::add);
        Object file = fileKey();
        view.map().pin(pin); // beside it, and renamed over it
        assertThat(fileKey()).isNotEqualTo(file);
        int tid = workers.getFirst().tid();
        long before = ThreadPages.keeperRounds();
        do { // a round of the keeper is many looks at the pin
          assertThat(view.of(tid)).isEqualTo(BASE);
        } while (ThreadPages.keeperRounds() < before + 2);
        assertThat(states).hasSize(1).first().isInstanceOf(Attached.class);
      }
    }
  }

  private Object fileKey() throws IOException {
    return Files.readAttributes(pin, BasicFileAttributes.class).fileKey();
  }

  @Test
  void whatIsNoMapOfThreadsIsReportedUntilItIsReplaced() {
    try (BpfView view = load(Wire.A);
        TaskLocalMap map = TaskLocalMap.watch(pin)) {
      List<State> states = new CopyOnWriteArrayList<>();
      map.addListener(states::add);
      Await.change(
          "a problem",
          () -> map.lastFailure().isPresent(),
          () -> view.object().map("task_local_data_off_map").pin(pin));
      assertThat(map.lastFailure()).get().isInstanceOf(WrongObjectException.class);
      assertThat(map.state())
          .isInstanceOfSatisfying(
              Waiting.class,
              state -> assertThat(state.problem()).get().isInstanceOf(WrongObjectException.class));
      KeeperRounds.pass(); // many looks
      assertThat(states).as("a problem is reported once").hasSize(2);

      awaitAll(view, () -> view.map().pin(pin));
      Await.until("a call", () -> states.size() == 3);
      assertThat(map.lastFailure()).isEmpty();
      assertThat(id(states.getLast())).isEqualTo(map.id());

      Await.change(
          "a problem again",
          () -> map.state() instanceof Waiting && map.lastFailure().isPresent() && seesNone(view),
          () -> view.object().map("task_local_data_off_map").pin(pin));
      assertThat(map.lastFailure()).get().isInstanceOf(WrongObjectException.class);
      Await.change(
          "no problem",
          () -> map.lastFailure().isEmpty(),
          () -> view.object().map("task_local_data_off_map").unpin(pin));
    }
  }

  @Test
  void aPinOutsideABpffsOrBelowAFolderThatIsMissingIsWaitedFor(@TempDir Path folder)
      throws IOException {
    Path file = Files.writeString(folder.resolve("map"), "no map");
    try (TaskLocalMap wrong = TaskLocalMap.watch(file);
        TaskLocalMap missing = TaskLocalMap.watch(bpffs.path("later/map"))) {
      assertThat(wrong.state())
          .isInstanceOfSatisfying(
              Waiting.class,
              state -> assertThat(state.problem()).get().isInstanceOf(WrongObjectException.class));
      assertThat(missing.state()).isInstanceOfSatisfying(Waiting.class, state -> noProblem(state));
      Path later = Files.createDirectory(bpffs.path("later"));
      try (BpfView view = load(Wire.A)) {
        awaitAll(view, () -> view.map().pin(later.resolve("map")));
      } finally {
        Files.delete(later);
      }
    }
  }

  @Test
  void twoWatchesAndAnOpenOfOneMapShareARegistration() {
    try (BpfView view = load(Wire.C)) {
      view.map().pin(pin);
      TaskLocalMap one = TaskLocalMap.watch(pin);
      TaskLocalMap two = TaskLocalMap.watch(pin);
      TaskLocalMap open = TaskLocalMap.open(pin);
      assertThat(one.id()).isEqualTo(two.id()).isEqualTo(open.id());
      one.close();
      assertThat(one.state()).isInstanceOf(Closed.class);
      assertThat(seesAll(view)).isTrue();
      Await.change(
          "the watch lets go", () -> two.state() instanceof Waiting, () -> view.map().unpin(pin));
      assertThat(seesAll(view)).as("the map is still open").isTrue();
      Await.change(
          "the watch is back", () -> two.state() instanceof Attached, () -> view.map().pin(pin));
      open.close();
      assertThat(seesAll(view)).isTrue();
      two.close();
      assertThat(seesNone(view)).isTrue();
    }
  }

  @Test
  void aListenerSeesEachChangeInItsOrder() {
    List<State> states = new CopyOnWriteArrayList<>();
    TaskLocalMap map = TaskLocalMap.watch(pin);
    try (BpfView first = load(Wire.A);
        BpfView second = load(Wire.A)) {
      List<State> removed = new CopyOnWriteArrayList<>();
      Consumer<State> unwanted = removed::add;
      map.addListener(unwanted);
      map.addListener(
          state -> {
            throw new IllegalStateException("a listener's own fault");
          });
      List<State> failing = new CopyOnWriteArrayList<>();
      map.addListener(
          state -> {
            failing.add(state);
            throw new AssertionError("a listener's own error");
          });
      map.addListener(states::add);
      map.removeListener(unwanted);
      Await.change("attached", () -> states.size() == 2, () -> first.map().pin(pin));
      int firstId = map.id();
      Await.change("replaced", () -> states.size() == 3, () -> second.map().pin(pin));
      int secondId = map.id();
      Await.change("waiting", () -> states.size() == 4, () -> second.map().unpin(pin));
      map.close();
      assertThat(states).hasSize(5);
      assertThat(states.get(0)).isInstanceOf(Waiting.class);
      assertThat(id(states.get(1))).isEqualTo(firstId);
      assertThat(id(states.get(2))).isEqualTo(secondId).isNotEqualTo(firstId);
      assertThat(states.get(3)).isInstanceOf(Waiting.class);
      assertThat(states.get(4)).isInstanceOf(Closed.class);
      assertThat(removed).hasSize(1);
      assertThat(failing).containsExactlyElementsOf(states);
    } finally {
      map.close();
    }
    assertThat(states).as("a second close is no change").hasSize(5);
  }

  @Test
  void aListenerMayCloseTheMapAndUseKeysAndWaitForThreads() {
    TaskLocalMap map = TaskLocalMap.watch(pin);
    try (BpfView view = load(Wire.A)) {
      List<State> states = new CopyOnWriteArrayList<>();
      map.addListener(
          state -> {
            if (state instanceof Attached) {
              VALUE.set(5);
              Thread other = new Thread(() -> VALUE.set(6));
              other.setDaemon(true);
              other.start();
              states.add(Await.ended(other) ? state : new Closed());
              map.close();
            }
          });
      map.addListener(states::add);
      Await.change("closed", () -> states.size() == 4, () -> view.map().pin(pin));
      assertThat(states.get(0)).isInstanceOf(Waiting.class);
      assertThat(states.get(1)).isInstanceOf(Attached.class);
      assertThat(states.get(2)).isInstanceOf(Attached.class);
      assertThat(states.get(3)).isInstanceOf(Closed.class);
      assertThat(seesNone(view)).isTrue();
    } finally {
      map.close();
    }
  }

  @Test
  void theKeeperRunsAsLongAsThereIsSomethingToKeep() {
    Await.until("no keeper is left by others", () -> keepers() == 0);
    try (BpfView view = load(Wire.A)) {
      for (int round = 0; round < 2; round++) {
        TaskLocalMap watch = TaskLocalMap.watch(pin);
        TaskLocalMap map = TaskLocalMap.of(view.map().fd());
        assertThat(keepers()).isEqualTo(1);
        watch.close();
        KeeperRounds.pass(); // since a map is open
        assertThat(keepers()).isEqualTo(1);
        Await.change("the keeper ends", () -> keepers() == 0, map::close);
      }
    }
  }

  static boolean keeperRuns() {
    return keepers() > 0;
  }

  private static long keepers() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(each -> each.getName().equals("tasklocal-keeper"))
        .count();
  }

  @Test
  void anOwnerThatIsKilledAndStartedAgainSeesValues() throws Exception {
    List<Writer> writers = Stream.generate(Writer::new).limit(4).toList();
    Await.until("the writers run", () -> writers.stream().allMatch(each -> each.written > 0));
    try (TaskLocalMap map = TaskLocalMap.watch(pin)) {
      int before = -1;
      for (int round = 0; round < 3; round++) {
        try (Owner owner = new Owner(FILES.get(Wire.A), Wire.A, pin)) {
          assertThat(owner.id).isNotEqualTo(before);
          before = owner.id;
          List<Integer> atLeast = writers.stream().map(each -> each.written).toList();
          Await.until(
              "what every thread wrote in the new owner's map",
              () ->
                  IntStream.range(0, writers.size())
                          .allMatch(i -> isWritten(owner, writers.get(i), atLeast.get(i)))
                      && sees(owner));
          assertThat(map.id()).isEqualTo(owner.id);
          for (Writer writer : writers) {
            int now = writer.written;
            Await.until("values that go on", () -> isWritten(owner, writer, now + 1));
          }
        }
        assertThat(map.failures()).isZero();
      }
    } finally {
      for (Writer writer : writers) {
        writer.end();
      }
      Files.deleteIfExists(pin);
    }
    assertThat(writers).extracting(each -> each.failure).containsOnlyNulls();
    assertThat(writers).allSatisfy(each -> assertThat(each.last).isEqualTo(each.written));
    for (int i = 0; i < THREADS; i++) {
      assertThat((int) workers.get(i).call(() -> VALUE.get())).isEqualTo(BASE + i);
    }
  }

  /** Whether the owner sees this value or a later one. */
  private static boolean isWritten(Owner owner, Writer writer, int atLeast) {
    long value = owner.of(writer.tid);
    return value >= atLeast && value < BpfView.NO_TASK;
  }

  /** A thread that counts in its value, and checks each time that the last count is there. */
  private static final class Writer {
    private final Thread thread = new Thread(this::run);
    volatile int tid;
    volatile int written;
    volatile int last;
    volatile Throwable failure;
    private volatile boolean stop;

    Writer() {
      thread.start();
    }

    private void run() {
      try {
        tid = Libc.currentTid();
        int n = 0;
        while (!stop) {
          VALUE.set(++n);
          written = n;
          LockSupport.parkNanos(1); // or the count would overflow
          if (VALUE.get() != n) {
            throw new AssertionError("written: " + n + ", read: " + VALUE.get());
          }
        }
        last = VALUE.get();
      } catch (Throwable e) {
        failure = e;
      }
    }

    void end() throws InterruptedException {
      stop = true;
      thread.join();
    }
  }

  private boolean sees(Owner owner) {
    return IntStream.range(0, THREADS).allMatch(i -> owner.of(workers.get(i).tid()) == BASE + i);
  }

  /** Another process that owns the map, and is killed at the end. */
  private static final class Owner implements AutoCloseable {
    private final Process process;
    private final Jvm.Deadline deadline;
    private final BufferedReader answers;
    private final PrintWriter questions;
    final int id;

    Owner(Path object, Wire wire, Path pin) throws IOException {
      process =
          new ProcessBuilder(
                  Children.readingCommand(
                      LifecycleChild.class,
                      List.of(),
                      "serve",
                      object.toString(),
                      wire.name(),
                      pin.toString()))
              .directory(new File("/"))
              .redirectErrorStream(true)
              .start();
      deadline = new Jvm.Deadline(process);
      answers = process.inputReader(StandardCharsets.UTF_8);
      questions = new PrintWriter(process.outputWriter(StandardCharsets.UTF_8), true);
      id = Integer.parseInt(answers.readLine().replace("pinned ", ""));
    }

    long of(int tid) {
      questions.println(tid);
      try {
        return Long.parseLong(answers.readLine());
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }

    @Override
    public void close() {
      deadline.close();
      process.destroyForcibly();
      Await.until("killed", () -> !process.isAlive());
    }
  }

  @Test
  void severalMapsOfAllWiresOpenAndCloseIndependently() {
    long seed = Long.getLong("tasklocal.seed", new Random().nextLong());
    Random random = new Random(seed);
    List<BpfView> views = new ArrayList<>();
    TaskLocalMap[] open = new TaskLocalMap[6];
    try {
      for (int i = 0; i < open.length; i++) {
        views.add(load(List.of(Wire.values()).get(i % 3)));
      }
      for (int step = 0; step < 200; step++) {
        int i = random.nextInt(open.length);
        if (open[i] == null) {
          open[i] = TaskLocalMap.of(views.get(i).map().fd());
          assertThat(open[i].failures()).isZero();
        } else {
          open[i].close();
          open[i] = null;
        }
        for (int j = 0; j < open.length; j++) {
          boolean right = open[j] == null ? seesNone(views.get(j)) : seesAll(views.get(j));
          assertThat(right)
              .as("map %d, open: %s, step %d, -Dtasklocal.seed=%d", j, open[j] != null, step, seed)
              .isTrue();
        }
      }
    } finally {
      for (TaskLocalMap map : open) {
        if (map != null) {
          map.close();
        }
      }
      views.forEach(BpfView::close);
    }
  }
}
