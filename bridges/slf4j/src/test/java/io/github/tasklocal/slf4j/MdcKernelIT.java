// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.slf4j;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.DumpedMap;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.ModuleApp;
import io.github.tasklocal.kit.junit.KernelTest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * What an application has put into the MDC, by Logback and the options alone, a BPF program of the
 * tools finds at the threads.
 */
@KernelTest
class MdcKernelIT {

  @SuppressWarnings("NullAway.Init")
  private static DumpedMap dumped;

  @SuppressWarnings("NullAway.Init")
  private static TaskLocalMap map;

  @BeforeAll
  static void share() {
    assertThat(LoggerFactory.getILoggerFactory())
        .isInstanceOf(ch.qos.logback.classic.LoggerContext.class);
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
  void aBpfProgramSeesTheMdcOfEachThread(boolean isVirtual) throws Exception {
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
                              MDC.put("unlisted", "secret");
                              MDC.put("user.id", "42");
                              try (MDC.MDCCloseable _ = MDC.putCloseable("tenant", tenant)) {
                                ready.incrementAndGet();
                                DumpedMap.stayUntil(() -> step.get() >= 1);
                              }
                              changed.countDown();
                              DumpedMap.stayUntil(() -> step.get() >= 2);
                            }))
            .toList();
    try {
      Await.until("the threads have their MDC", ready::get, count -> count == tenants.size());
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

  /** As the documents say: the library alone may reach into the JDK. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aBpfProgramSeesTheMdcOfAnApplicationOnTheModulePath(boolean isVirtual, @TempDir Path folder)
      throws Exception {
    ModuleApp application =
        new ModuleApp(
            folder,
            List.of("slf4j-api-", "logback-"),
            List.of("org.slf4j"),
            """
                (args[0].equals("true") ? Thread.ofVirtual() : Thread.ofPlatform().name("is-acme"))
                    .start(() -> {
                      try (MDC.MDCCloseable ignored = MDC.putCloseable("tenant", "acme")) {
                        Process dump = new ProcessBuilder(
                            List.of(args).subList(1, args.length)).inheritIO().start();
                        while (dump.isAlive()) {
                          Thread.onSpinWait();
                        }
                      } catch (IOException e) {
                        throw new UncheckedIOException(e);
                      }
                    }).join();
            """,
            "java.io.*",
            "java.util.List",
            "org.slf4j.MDC");
    List<String> arguments = new ArrayList<>(List.of(String.valueOf(isVirtual)));
    arguments.addAll(dumped.command("tenant:string"));
    Jvm.Result result =
        application.run(
            List.of(
                "--add-modules=io.github.tasklocal.slf4j",
                "--add-exports=java.base/jdk.internal.misc=io.github.tasklocal",
                "-Dslf4j.provider=" + TaskLocalServiceProvider.class.getName(),
                "-Dtasklocal.context=tenant:16",
                "-Dtasklocal.map=" + dumped.pin()),
            arguments);
    assertThat(result.exit()).as(result.output()).isZero();
    assertThat(result.output())
        .containsPattern((isVirtual ? "ForkJoinPool" : "is-acme") + "[^\n]* \"acme\"\n")
        .doesNotContain("WARNING");
  }
}
