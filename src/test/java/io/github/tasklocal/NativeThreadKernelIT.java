// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.tasklocal.NativeThread.Kind;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.ThreadPages;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Values that are set from outside, of threads that Java does not know and of those it does. */
@KernelTest
class NativeThreadKernelIT {

  private static final TaskLocal.OfInt VALUE = TaskLocal.of("life.00", JAVA_INT);
  private static final TaskLocal.OfSegment PAIR =
      TaskLocal.of("life.pair", MemoryLayout.sequenceLayout(2, JAVA_INT));

  private static BpfView view;

  @BeforeAll
  static void load(@TempDir Path folder) {
    view = BpfView.load(BpfView.compile(folder, Wire.A), Wire.A);
  }

  @AfterAll
  static void close() {
    view.close();
  }

  private static TaskLocalMap map() {
    return TaskLocalMap.of(view.map().fd());
  }

  /** What the thread reads itself. */
  private static int own(Worker worker) {
    return worker.call(() -> VALUE.get());
  }

  private static NativeThread listed(int tid) {
    return NativeThread.list().stream()
        .filter(each -> each.tid() == tid)
        .findFirst()
        .orElseThrow(() -> new AssertionError("thread " + tid + " is not in the list"));
  }

  private static Set<Integer> tids() {
    try (Stream<Path> folders = Files.list(Path.of("/proc/self/task"))) {
      return folders
          .map(folder -> Integer.valueOf(folder.getFileName().toString()))
          .collect(Collectors.toCollection(TreeSet::new));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean listsNoOthers() {
    Set<Integer> before = tids();
    List<NativeThread> list = NativeThread.list();
    Set<Integer> listed = new TreeSet<>(list.stream().map(NativeThread::tid).toList());
    Set<Integer> after = tids();
    Set<Integer> seen = new TreeSet<>(after);
    seen.addAll(before);
    after.retainAll(before);
    assertThat(listed).hasSameSizeAs(list).containsAll(after);
    return seen.containsAll(listed);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"C1 consumer", "C2 reader", "G1 feed", "Watcher Thread", "VM Operations", "Zoo"})
  void aJavaThreadWhoseNameIsLikeTheVirtualMachinesIsOneOfJava(String name) {
    try (Worker worker = new Worker(name)) {
      NativeThread thread = listed(worker.tid());
      assertThat(thread.name()).isEqualTo(name);
      assertThat(thread.kind()).isEqualTo(Kind.JAVA);
    }
  }

  @Test
  void aNativeThreadThatHasTheNameOfOneOfJavaIsNotTakenForIt() {
    try (Pthread pthread = new Pthread()) {
      NativeThread before = pthread.listed();
      try (Worker worker = new Worker(before.name())) {
        assertThat(listed(before.tid()).kind()).isEqualTo(Kind.OTHER);
        assertThat(listed(worker.tid()).kind()).isEqualTo(Kind.JAVA);
      }
    }
  }

  @Test
  void aJavaThreadIsOneWhateverItsName() throws InterruptedException {
    try (Worker likeTheVirtualMachines = new Worker("GC Thread#0");
        Worker renamed = new Worker("before")) {
      renamed.thread().setName("from another thread"); // which the kernel does not hear of
      assertThat(listed(likeTheVirtualMachines.tid()).kind()).isEqualTo(Kind.JAVA);
      assertThat(listed(renamed.tid()).kind()).isEqualTo(Kind.JAVA);
    }
  }

  @Test
  void threadsThatRunAreKnownToo() {
    AtomicBoolean over = new AtomicBoolean();
    List<Integer> tids = new CopyOnWriteArrayList<>();
    List<Thread> busy =
        Stream.generate(
                () ->
                    new Thread(
                        () -> {
                          tids.add(Libc.currentTid());
                          while (!over.get()) {
                            Thread.onSpinWait();
                          }
                        },
                        "busy"))
            .limit(4)
            .toList();
    busy.forEach(Thread::start);
    try {
      Await.until("all run", () -> tids.size() == busy.size());
      for (int tid : tids) {
        assertThat(listed(tid).kind()).isEqualTo(Kind.JAVA);
      }
    } finally {
      over.set(true);
    }
  }

  /** What the launcher's threads are, by what they are to it. */
  @ParameterizedTest
  @ValueSource(strings = {"first", "other"})
  void theMainThreadOfANativeLauncherIsKnownAmongItsOthers(String where, @TempDir Path folder) {
    Path launcher = folder.resolve("launcher");
    Path home = Path.of(System.getProperty("java.home"));
    assumeTrue(Clang.exists("cc"), "no C compiler on PATH");
    assumeTrue(Files.exists(home.resolve("include/jni.h")), "this JDK has no headers");
    Path source = Path.of(System.getProperty("basedir", "")).toAbsolutePath();
    String built =
        Jvm.output(
            List.of(
                "cc",
                "-Wall",
                "-Werror",
                "-pthread",
                "-I" + home.resolve("include"),
                "-I" + home.resolve("include/linux"),
                source.resolve("src/test/c/launcher.c").toString(),
                "-o",
                launcher.toString(),
                "-L" + home.resolve("lib/server"),
                "-Wl,-rpath," + home.resolve("lib/server"),
                "-ljvm"));
    assertThat(built).isEmpty();
    List<String> lines =
        Jvm.output(
                List.of(
                    launcher.toString(),
                    where,
                    "-Djava.class.path=" + Children.classPath(),
                    LauncherChild.class.getName().replace('.', '/')))
            .lines()
            .toList();
    Map<String, String> kinds =
        lines.stream()
            .filter(line -> line.startsWith("kind "))
            .map(line -> line.split(" ", 3))
            .collect(Collectors.toMap(each -> each[1], each -> each[2]));
    List<String> roles = lines.stream().filter(line -> !line.startsWith("kind ")).toList();
    assertThat(roles).hasSize(where.equals("first") ? 5 : 6);
    for (String role : roles) {
      String[] words = role.split(" ");
      assertThat(kinds.get(words[1]))
          .as("%s of %s", role, lines)
          .isEqualTo(words[0].equals("main") ? "JAVA launcher" : "OTHER launcher");
    }
  }

  @Test
  void everyThreadOfTheProcessIsListed() {
    try (Pthread nobodyKnows = new Pthread();
        Worker worker = new Worker("listed")) {
      // A thread that comes and goes between two looks may be only in the list: look again.
      Await.until("a list of no other threads than exist", () -> listsNoOthers());
      assertThat(listed(worker.tid()).kind()).isEqualTo(Kind.JAVA);
      assertThat(listed(worker.tid()).thread()).isEmpty();
      assertThat(nobodyKnows.listed().kind()).isEqualTo(Kind.OTHER);
      assertThat(nobodyKnows.listed().isAlive()).isTrue();
      assertThat(listed(worker.tid())).isEqualTo(listed(worker.tid()));
      worker.run(() -> VALUE.set(1));
      assertThat(listed(worker.tid()).thread()).containsSame(worker.thread());
    }
  }

  @ParameterizedTest
  @CsvSource({"Serial, 0", "Parallel, 1", "G1, 4", "Z, 5", "Shenandoah, 2"})
  void theKindsOfTheVirtualMachinesThreadsAreRecognised(String collector, int atLeast) {
    List<String> options = List.of("-XX:+Use" + collector + "GC", "-Xmx64m");
    assumeTrue(
        Jvm.run(List.of(Jvm.java(), options.getFirst(), "-version")).exit() == 0,
        "this JDK has no such collector");
    String output =
        Jvm.run(Children.mainCommand(LifecycleChild.class, options, "kinds")).output().strip();
    List<String> lines = output.lines().toList();
    assertThat(lines).filteredOn(line -> line.startsWith("FIRST ")).hasSize(1);
    assertThat(lines).noneMatch(line -> line.startsWith("OTHER "));
    assertThat(lines)
        .contains("VM VM Thread", "VM VM Periodic Tas", "JAVA Finalizer", "JAVA java")
        .anyMatch(line -> line.matches("JIT C[12] .*"));
    assertThat(lines)
        .filteredOn(line -> line.startsWith("GC "))
        .as(output)
        .hasSizeGreaterThanOrEqualTo(atLeast);
  }

  @Test
  void aKeyIsSetForThreadsOfTheVirtualMachine() {
    List<NativeThread> own =
        NativeThread.list().stream()
            .filter(each -> each.kind() != Kind.JAVA && each.kind() != Kind.OTHER)
            .toList();
    assertThat(own).extracting(NativeThread::kind).contains(Kind.JIT, Kind.VM);
    NativeThread first =
        own.stream().filter(each -> each.name().equals("VM Thread")).findFirst().orElseThrow();
    VALUE.set(first, 500);
    List<NativeThread> seen = new ArrayList<>();
    try (TaskLocalMap map = map()) {
      for (NativeThread each : own) {
        if (!each.equals(first) && setAndSeen(each)) {
          seen.add(each);
        }
      }
      assertThat(seen).extracting(NativeThread::kind).contains(Kind.VM);
      assertThat(view.of(first.tid())).isEqualTo(500);
      assertThat(map.threads()).isGreaterThan(1);
      view.write(first.tid(), 0, 501);
      assertThat(VALUE.get(first)).isEqualTo(501);
      assertThat(first.thread()).isEmpty();
      assertThat(map.failures()).isZero();
    }
    VALUE.set(first, 0);
    for (NativeThread each : seen) {
      setUnlessEnded(each, 0);
    }
  }

  private static boolean setAndSeen(NativeThread thread) {
    if (!setUnlessEnded(thread, thread.tid())) {
      return false;
    }
    long seen = view.of(thread.tid());
    boolean ended = !thread.isAlive();
    assertThat(ended || seen == thread.tid()).as("%s sees %d", thread, seen).isTrue();
    return !ended;
  }

  /** A compiler's threads end when it has nothing to do. */
  private static boolean setUnlessEnded(NativeThread thread, int value) {
    try {
      VALUE.set(thread, value);
      assertThat(VALUE.get(thread)).isEqualTo(value);
      return true;
    } catch (NotFoundException e) {
      assertThat(thread.isAlive()).isFalse();
      return false;
    }
  }

  @Test
  void readingAThreadThatHasNoPageMakesNone() {
    try (Pthread pthread = new Pthread();
        TaskLocalMap map = map()) {
      int threads = map.threads();
      NativeThread thread = pthread.listed();
      assertThat(VALUE.get(thread)).isZero();
      assertThat(map.threads()).isEqualTo(threads);
      assertThat(view.of(thread.tid())).isEqualTo(BpfView.NO_ENTRY);
    }
  }

  @Test
  void aThreadThatWasSetFromOutsideFindsTheValueAtItsOwnFirstUse() {
    try (Worker worker = new Worker("set from outside");
        TaskLocalMap map = map()) {
      NativeThread outside = listed(worker.tid());
      VALUE.set(outside, 31);
      int threads = map.threads();
      assertThat(view.of(worker.tid())).isEqualTo(31);
      assertThat(own(worker)).isEqualTo(31);
      assertThat(map.threads()).as("it has the one page").isEqualTo(threads);
      worker.run(() -> VALUE.set(32));
      assertThat(VALUE.get(outside)).isEqualTo(32);
      assertThat(view.of(worker.tid())).isEqualTo(32);
      VALUE.set(outside, 33);
      assertThat(own(worker)).isEqualTo(33);
      assertThat(view.of(worker.tid())).isEqualTo(33);
      assertThat(listed(worker.tid()).thread()).containsSame(worker.thread());
      assertThat(map.failures()).isZero();
    }
  }

  @Test
  void aSegmentAndABoundFromOutsideAreTheThreadsOwnMemory() {
    try (Worker worker = new Worker("bound from outside")) {
      NativeThread outside = listed(worker.tid());
      MemorySegment segment = PAIR.segment(outside);
      TaskLocal.OfSegment.Bound pair = PAIR.bind(outside);
      TaskLocal.OfInt.Bound value = VALUE.bind(outside);
      segment.set(JAVA_INT, 4, 9);
      value.set(8);
      assertThat((int) worker.call(() -> PAIR.segment().get(JAVA_INT, 4))).isEqualTo(9);
      assertThat(own(worker)).isEqualTo(8);
      worker.run(() -> PAIR.segment().set(JAVA_INT, 0, 7));
      assertThat(segment.get(JAVA_INT, 0)).isEqualTo(7);
      assertThat(pair.segment().get(JAVA_INT, 0)).isEqualTo(7);
      assertThat(segment.byteSize()).isEqualTo(8);
      assertThat((int) worker.call(() -> PAIR.segment(outside).get(JAVA_INT, 0))).isEqualTo(7);
    }
  }

  @Test
  void aThreadThatHasEndedIsRefusedByName() {
    NativeThread never;
    NativeThread used;
    TaskLocal.OfInt.Bound bound;
    try (Pthread first = new Pthread();
        Pthread second = new Pthread()) {
      never = first.listed();
      used = second.listed();
      VALUE.set(used, 1);
      bound = VALUE.bind(used);
    }
    for (NativeThread ended : List.of(never, used)) {
      Await.until("the task is gone", () -> !ended.isAlive());
      List<Consumer<NativeThread>> uses =
          List.of(
              thread -> VALUE.set(thread, 1),
              VALUE::get,
              VALUE::bind,
              PAIR::segment,
              PAIR::bind,
              thread -> PAIR.bind(thread).segment());
      for (Consumer<NativeThread> use : uses) {
        assertThatThrownBy(() -> use.accept(ended))
            .isInstanceOf(NotFoundException.class)
            .hasMessageContaining(ended.name())
            .hasMessageContaining("tid " + ended.tid())
            .hasMessageContaining("has ended")
            .hasMessageContaining("NativeThread.list()");
      }
    }
    bound.set(5);
    assertThat(bound.get()).isEqualTo(5);
  }

  @Test
  void aThreadOfJavaThatHasEndedIsRefusedToo() {
    Worker worker = new Worker("ended in Java");
    worker.run(() -> VALUE.set(1));
    NativeThread thread = listed(worker.tid());
    worker.close();
    Await.until("the task is gone", () -> !thread.isAlive());
    assertThatThrownBy(() -> VALUE.set(thread, 1))
        .isInstanceOf(NotFoundException.class)
        .hasMessageContaining("ended in Java");
  }

  @Test
  void pagesOfNativeThreadsThatHaveEndedServeOthers() {
    try (TaskLocalMap map = map()) {
      int threads = map.threads();
      int most = ThreadPages.REGISTRY.pages() + 10 * 16;
      for (int round = 0; round < 40; round++) {
        List<Pthread> pthreads = Stream.generate(Pthread::new).limit(25).toList();
        List<NativeThread> listed = pthreads.stream().map(Pthread::listed).toList();
        for (NativeThread each : listed) {
          assertThat(VALUE.get(each)).isZero();
          VALUE.set(each, each.tid());
        }
        for (NativeThread each : listed) {
          assertThat(view.of(each.tid())).isEqualTo(each.tid());
        }
        pthreads.forEach(Pthread::close);
      }
      assertThat(ThreadPages.REGISTRY.pages())
          .as("of 1000 threads, 25 at once")
          .isLessThanOrEqualTo(most);
      Await.until("their entries are gone", () -> map.threads() <= threads);
      assertThat(map.failures()).isZero();
    }
  }

  @Test
  void aTidThatIsGivenAgainIsNotTheSameThread() throws Exception {
    Path lastPid = Path.of("/proc/sys/kernel/ns_last_pid");
    assumeTrue(Files.isWritable(lastPid), "needs CONFIG_CHECKPOINT_RESTORE, to choose a tid");
    NativeThread ended;
    Task endedTask;
    try (Pthread pthread = new Pthread()) {
      ended = pthread.listed();
      endedTask = task(ended.tid());
      VALUE.set(ended, 1);
    }
    Await.until("the task is gone", () -> !ended.isAlive());
    Thread.sleep(30); // at least: start times are in ticks of 10 ms
    List<Pthread> others = new ArrayList<>();
    try (TaskLocalMap map = map()) {
      Pthread again = null;
      // Others start threads, too.
      for (int tries = 0; again == null; tries++) {
        assertThat(tries).as("tries to get tid " + ended.tid()).isLessThan(200);
        Files.writeString(lastPid, String.valueOf(ended.tid() - 1));
        Pthread pthread = new Pthread();
        others.add(pthread);
        again = pthread.listed().tid() == ended.tid() ? pthread : null;
      }
      NativeThread now = again.listed();
      Task nowTask = task(now.tid());
      assertThat(now).isNotEqualTo(ended);
      assertThat(now.isAlive()).isTrue();
      assertThat(ended.isAlive()).isFalse();
      assertThat(nowTask.same(endedTask)).isFalse();
      assertThat(nowTask.isNow(now.tid())).isTrue();
      assertThat(endedTask.isNow(now.tid())).isFalse();
      assertThat(nowTask.startTime()).isGreaterThan(endedTask.startTime());
      assertThatThrownBy(() -> VALUE.set(ended, 3)).isInstanceOf(NotFoundException.class);
      assertThat(VALUE.get(now)).as("nothing of the ended thread").isZero();
      VALUE.set(now, 2);
      assertThat(view.of(now.tid())).isEqualTo(2);
      assertThatThrownBy(() -> VALUE.get(ended)).isInstanceOf(NotFoundException.class);
      assertThatThrownBy(() -> VALUE.set(ended, 3)).isInstanceOf(NotFoundException.class);
      assertThat(VALUE.get(now)).isEqualTo(2);
      assertThat(map.failures()).isZero();
    } finally {
      others.forEach(Pthread::close);
    }
  }

  @Test
  void eachTaskIsItselfAndNoOther() {
    List<Task> tasks = Task.all();
    List<Task> again = Task.all();
    for (Task task : tasks) {
      for (Task other : again) {
        assertThat(task.same(other)).isEqualTo(task.tid() == other.tid());
      }
    }
    Task self = task(Math.toIntExact(ProcessHandle.current().pid()));
    assertThat(self.isAlive()).isTrue();
    assertThat(self.isNow(self.tid())).isTrue();
    assertThat(self.isNow(self.tid() + 1)).isFalse();
    assertThat(self.startTime()).isPositive();
  }

  private static Task task(int tid) {
    return Task.all().stream().filter(each -> each.tid() == tid).findFirst().orElseThrow();
  }
}
