// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.log4j;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.DumpedMap;
import io.github.tasklocal.kit.junit.KernelTest;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.logging.log4j.CloseableThreadContext;
import org.apache.logging.log4j.ThreadContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What an application has put into the ThreadContext, by Log4j and the options alone, a BPF program
 * of the tools finds at the threads.
 */
@KernelTest
class ThreadContextKernelIT {

  @SuppressWarnings("NullAway.Init")
  private static DumpedMap dumped;

  @SuppressWarnings("NullAway.Init")
  private static TaskLocalMap map;

  @BeforeAll
  static void share() {
    dumped = new DumpedMap();
    map = TaskLocalMap.open(dumped.pin());
  }

  @AfterAll
  static void shareNoMore() throws Exception {
    map.close();
    dumped.close();
  }

  private static String values() {
    return dumped.dump("tenant:string", "user.id:long");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aBpfProgramSeesTheContextOfEachThread(boolean isVirtual) throws Exception {
    // One at a time on virtual threads, as there may be one carrier only.
    List<String> tenants = isVirtual ? List.of("acme") : List.of("acme", "globex");
    AtomicInteger ready = new AtomicInteger();
    CountDownLatch changed = new CountDownLatch(tenants.size());
    AtomicInteger step = new AtomicInteger();
    List<Thread> threads =
        tenants.stream()
            .map(
                tenant ->
                    (isVirtual ? Thread.ofVirtual() : Thread.ofPlatform().name("is-" + tenant))
                        .start(
                            () -> {
                              ThreadContext.put("unlisted", "secret");
                              ThreadContext.put("user.id", "42");
                              try (CloseableThreadContext.Instance _ =
                                  CloseableThreadContext.put("tenant", tenant)) {
                                ready.incrementAndGet();
                                DumpedMap.stayUntil(() -> step.get() >= 1);
                              }
                              changed.countDown();
                              DumpedMap.stayUntil(() -> step.get() >= 2);
                            }))
            .toList();
    try {
      Await.until("the threads have their context", ready::get, count -> count == tenants.size());
      String during = values();
      for (String tenant : tenants) {
        String comm = isVirtual ? "ForkJoinPool" : "is-" + tenant;
        assertThat(during).containsPattern(comm + "[^\n]*\"" + tenant + "\" +42\n");
      }
      assertThat(during).doesNotContain("secret");
      step.set(1);
      changed.await();
      assertThat(values()).doesNotContain("\"acme\"", "\"globex\"").containsPattern("\"\" +42\n");
    } finally {
      step.set(2);
      for (Thread each : threads) {
        each.join();
      }
    }
  }
}
