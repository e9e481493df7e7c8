// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.DumpedMap;
import io.github.tasklocal.kit.junit.KernelTest;
import io.micrometer.context.ContextExecutorService;
import io.micrometer.context.ContextSnapshotFactory;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/**
 * Where a framework carries the values of the submitter to, a BPF program of the tools finds them
 * at the thread that works, and not any more when that has done its work.
 */
@KernelTest
class CarriedKernelIT {

  private static final TaskLocal.OfSegment TENANT =
      TaskLocal.of("tenant", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
  private static final TaskLocal.OfLong USER = TaskLocal.of("user.id", ValueLayout.JAVA_LONG);

  @SuppressWarnings("NullAway.Init")
  private static DumpedMap dumped;

  @SuppressWarnings("NullAway.Init")
  private static TaskLocalMap map;

  @BeforeAll
  static void share() {
    Hooks.enableAutomaticContextPropagation();
    dumped = new DumpedMap();
    map = TaskLocalMap.open(dumped.pin());
  }

  @AfterAll
  static void shareNoMore() throws Exception {
    map.close();
    dumped.close();
    Hooks.disableAutomaticContextPropagation();
  }

  /** Has the work done by a thread of the pool, as an application with the framework would. */
  private static Future<?> submit(String framework, ExecutorService pool, Runnable work) {
    return switch (framework) {
      case "executor" ->
          ContextExecutorService.wrap(pool, ContextSnapshotFactory.builder().build()::captureAll)
              .submit(work);
      case "reactor" ->
          Mono.fromRunnable(work)
              .subscribeOn(Schedulers.fromExecutorService(pool))
              .contextCapture()
              .toFuture();
      default -> throw new AssertionError(framework);
    };
  }

  @ParameterizedTest
  @CsvSource({"executor,false", "executor,true", "reactor,false", "reactor,true"})
  void aBpfProgramSeesTheSubmittersValuesAtTheThreadThatWorks(String framework, boolean isVirtual)
      throws Exception {
    String comm = isVirtual ? "ForkJoinPool" : "works";
    AtomicBoolean isSeen = new AtomicBoolean();
    AtomicBoolean isOver = new AtomicBoolean();
    CompletableFuture<Void> working = new CompletableFuture<>();
    CompletableFuture<Void> worked = new CompletableFuture<>();
    try (ExecutorService pool =
        Executors.newSingleThreadExecutor(
            (isVirtual ? Thread.ofVirtual() : Thread.ofPlatform().name(comm)).factory())) {
      try {
        TENANT.setString("acme");
        USER.set(42);
        Future<?> work =
            submit(
                framework,
                pool,
                () -> {
                  working.complete(null);
                  DumpedMap.stayUntil(isSeen::get);
                });
        // The submitter goes on for somebody else.
        TENANT.setString("globex");
        USER.set(7);
        Await.until("the task has begun", working::isDone, is -> is);
        assertThat(dumped.dump("tenant:string", "user.id:long"))
            .containsPattern(comm + "[^\n]* \"acme\" +42\n")
            .containsPattern(" \"globex\" +7\n");
        isSeen.set(true);
        work.get();
        Future<?> after =
            pool.submit(
                () -> {
                  worked.complete(null);
                  DumpedMap.stayUntil(isOver::get);
                });
        Await.until("the thread is free", worked::isDone, is -> is);
        assertThat(dumped.dump("tenant:string", "user.id:long"))
            .containsPattern(comm + "[^\n]* \"\" +0\n")
            .doesNotContain("\"acme\"");
        isOver.set(true);
        after.get();
      } finally {
        isSeen.set(true);
        isOver.set(true);
        TENANT.setString("");
        USER.set(0);
      }
    }
  }
}
