// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.micrometer;

import static io.github.tasklocal.junit.TaskLocalAssertions.assertSeen;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.junit.TaskLocalExtension;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.ModuleApp;
import io.micrometer.context.ContextExecutorService;
import io.micrometer.context.ContextRegistry;
import io.micrometer.context.ContextSnapshot;
import io.micrometer.context.ContextSnapshotFactory;
import java.io.DataInputStream;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.core.task.support.ContextPropagatingTaskDecorator;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;
import reactor.util.context.Context;

/**
 * The list is in the pom, as a user would give it to Java; the registry finds the accessor. What
 * the test's own thread has is asked of the kernel where that is possible.
 */
@ExtendWith(TaskLocalExtension.class)
class TaskLocalAccessorTest {

  private static final TaskLocal.OfSegment TEXT =
      TaskLocal.of("carried.text", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
  private static final TaskLocal.OfLong NUMBER =
      TaskLocal.of("carried.number", ValueLayout.JAVA_LONG);
  private static final TaskLocal.OfInt UNLISTED = TaskLocal.of("carried.not", ValueLayout.JAVA_INT);

  private static String set(String text, long number) {
    TEXT.setString(text);
    NUMBER.set(number);
    UNLISTED.set((int) number);
    return read();
  }

  private static String read() {
    return TEXT.getString() + " " + NUMBER.get();
  }

  private static void assertSeenHere(String text, long number, int unlisted) {
    assertSeen(Thread.currentThread(), TEXT, text);
    assertSeen(Thread.currentThread(), NUMBER, number);
    assertSeen(Thread.currentThread(), UNLISTED, unlisted);
  }

  /** 17, in which it says what it needs. */
  @Test
  void anOlderJavaCanLoadTheBridge() throws Exception {
    try (DataInputStream code =
        new DataInputStream(
            TaskLocalAccessor.class.getResourceAsStream("TaskLocalAccessor.class"))) {
      assertThat(code.readInt()).isEqualTo(0xcafebabe);
      assertThat(code.readUnsignedShort()).isZero();
      assertThat(code.readUnsignedShort()).isEqualTo(17 + 44);
    }
  }

  @Test
  void theRegistryHasTheAccessorByBeingOnTheClassPath() {
    assertThat(ContextRegistry.getInstance().getThreadLocalAccessors())
        .filteredOn(each -> each.key().equals(TaskLocalAccessor.KEY))
        .hasSize(1)
        .hasOnlyElementsOfType(TaskLocalAccessor.class);
  }

  @Test
  void aSnapshotSetsTheListedValuesAndPutsTheEarlierOnesBack() {
    ContextSnapshotFactory factory = ContextSnapshotFactory.builder().build();
    set("acme", 1);
    ContextSnapshot snapshot = factory.captureAll();
    set("globex", 2);
    try (ContextSnapshot.Scope _ = snapshot.setThreadLocals()) {
      assertSeenHere("acme", 1, 2);
      set("initech", 3);
    }
    assertSeenHere("globex", 2, 3);
  }

  @Test
  void aSnapshotWithoutTheValuesClearsThemIfItIsToClear() {
    ContextSnapshotFactory factory = ContextSnapshotFactory.builder().clearMissing(true).build();
    ContextSnapshot empty = factory.captureFrom(Context.of("other", "x"));
    set("globex", 2);
    try (ContextSnapshot.Scope _ = empty.setThreadLocals()) {
      assertSeenHere("", 0, 2);
    }
    assertSeenHere("globex", 2, 2);
  }

  @Test
  void springsDecoratorOfTasksCarriesTheValues() throws Exception {
    set("acme", 1);
    CompletableFuture<String> seen = new CompletableFuture<>();
    Runnable task = new ContextPropagatingTaskDecorator().decorate(() -> seen.complete(read()));
    set("globex", 2);
    Thread.ofPlatform().start(task).join();
    assertThat(seen).isCompletedWithValue("acme 1");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anExecutorsTasksHaveTheValuesOfTheirSubmitter(boolean isVirtual) throws Exception {
    try (ExecutorService threads =
            isVirtual
                ? Executors.newVirtualThreadPerTaskExecutor()
                : Executors.newFixedThreadPool(2);
        ExecutorService pool =
            ContextExecutorService.wrap(
                threads, ContextSnapshotFactory.builder().build()::captureAll)) {
      List<Future<String>> seen = new ArrayList<>();
      List<String> expected = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        expected.add(i % 3 == 0 ? set("", 0) : set("t" + i, i));
        seen.add(
            pool.submit(
                () -> {
                  String before = read();
                  Thread.sleep(1); // a virtual thread may go on with another carrier
                  assertThat(read()).isEqualTo(before);
                  return before;
                }));
      }
      for (int i = 0; i < seen.size(); i++) {
        assertThat(seen.get(i).get()).isEqualTo(expected.get(i));
      }
      assertThat(threads.submit(TaskLocalAccessorTest::read).get()).isEqualTo(" 0");
    }
  }

  @Test
  void reactorCarriesTheValuesOfTheSubscriberThroughItsThreads() {
    Hooks.enableAutomaticContextPropagation();
    Scheduler one = Schedulers.newSingle("one");
    Scheduler other = Schedulers.newBoundedElastic(2, 100, "other");
    try {
      List<Mono<List<String>>> all = new ArrayList<>();
      List<String> expected = new ArrayList<>();
      for (int i = 0; i < 50; i++) {
        expected.add(set("t" + i, i));
        all.add(
            Mono.fromCallable(TaskLocalAccessorTest::read)
                .subscribeOn(one)
                .publishOn(other)
                .map(first -> List.of(first, read(), Thread.currentThread().getName()))
                .contextCapture());
        List<String> found = all.get(i).block();
        assertThat(found.subList(0, 2)).containsExactly(expected.get(i), expected.get(i));
        assertThat(found.get(2)).startsWith("other-");
        set("", 0);
      }
      set("many", 7);
      List<String> many =
          Flux.range(0, 200)
              .flatMap(i -> Mono.fromCallable(TaskLocalAccessorTest::read).subscribeOn(other))
              .contextCapture()
              .collectList()
              .block();
      assertThat(many).hasSize(200).containsOnly("many 7");
      set("", 0);
      // What is left on the schedulers' threads.
      assertThat(
              Mono.fromCallable(TaskLocalAccessorTest::read)
                  .subscribeOn(other)
                  .contextCapture()
                  .block())
          .isEqualTo(" 0");
    } finally {
      Hooks.disableAutomaticContextPropagation();
      one.dispose();
      other.dispose();
    }
  }

  @Test
  void anApplicationOnTheModulePathHasItsValuesCarried(@TempDir Path folder) throws Exception {
    ModuleApp application =
        new ModuleApp(
            folder,
            List.of("context-propagation-"),
            List.of("io.github.tasklocal", "context.propagation"),
            """
                var tenant = TaskLocal.of("tenant",
                    MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
                tenant.setString("acme");
                Runnable work = () -> System.out.println("seen " + tenant.getString());
                Thread other = new Thread(
                    ContextSnapshotFactory.builder().build().captureAll().wrap(work));
                other.start();
                other.join();
            """,
            "io.github.tasklocal.TaskLocal",
            "io.micrometer.context.ContextSnapshotFactory",
            "java.lang.foreign.*");
    Jvm.Result result =
        application.run(
            List.of(
                "--add-modules=io.github.tasklocal.micrometer", "-Dtasklocal.context=tenant:16"),
            List.of());
    assertThat(result.exit()).as(result.output()).isZero();
    assertThat(result.output()).contains("seen acme\n").doesNotContain("WARNING");
  }
}
