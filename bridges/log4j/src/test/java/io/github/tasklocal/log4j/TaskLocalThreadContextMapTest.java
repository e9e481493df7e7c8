// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.log4j;

import static io.github.tasklocal.junit.TaskLocalAssertions.assertSeen;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.junit.TaskLocalExtension;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.ModuleApp;
import java.io.DataInputStream;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.apache.logging.log4j.CloseableThreadContext;
import org.apache.logging.log4j.ThreadContext;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.impl.Log4jLogEvent;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The options are in the pom, as a user would give them to Java. */
@ExtendWith(TaskLocalExtension.class)
class TaskLocalThreadContextMapTest {

  private static final List<String> NAMES = List.of("ctx.a", "ctx.b", "ctx.n", "ctx.unlisted");
  private static final TaskLocal.OfSegment A =
      TaskLocal.of("ctx.a", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
  private static final TaskLocal.OfSegment B =
      TaskLocal.of("ctx.b", MemoryLayout.sequenceLayout(8, ValueLayout.JAVA_BYTE));
  private static final TaskLocal.OfLong N = TaskLocal.of("ctx.n", ValueLayout.JAVA_LONG);

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void afterEachOfManyChangesAThreadShowsWhatItsContextHas(boolean isVirtual) throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    inThread(
        isVirtual,
        () -> {
          Random random = new Random(seed);
          int shown = 0;
          for (int i = 0; i < 5000; i++) {
            change(random, NAMES.get(random.nextInt(NAMES.size())));
            assertThat(A.getString()).as("change %d", i).isEqualTo(expected("ctx.a"));
            assertThat(B.getString()).as("change %d", i).isEqualTo(expected("ctx.b"));
            assertThat(N.get())
                .as("change %d", i)
                .isEqualTo(Long.parseLong("0" + expected("ctx.n")));
            shown += A.getString().isEmpty() ? 0 : 1;
            if (!isVirtual && random.nextInt(50) == 0) {
              assertSeen(Thread.currentThread(), A, expected("ctx.a"));
              assertSeen(Thread.currentThread(), N, N.get());
            }
            if (random.nextInt(50) == 0) {
              LockSupport.parkNanos(1); // a virtual thread may go on with another carrier
            }
          }
          assertThat(shown).isBetween(500, 4900);
        });
  }

  private static void change(Random random, String name) {
    String value = Integer.toString(1 + random.nextInt(1000));
    switch (random.nextInt(10)) {
      case 0, 1, 2 -> ThreadContext.put(name, value);
      case 3 -> ThreadContext.putIfNull(name, value);
      case 4 -> ThreadContext.putAll(Map.of(name, value, "ctx.other", value));
      case 5 -> ThreadContext.remove(name);
      case 6 -> ThreadContext.removeAll(List.of(name, "ctx.b"));
      case 7 -> {
        if (random.nextInt(4) == 0) {
          ThreadContext.clearMap();
        }
      }
      case 8 -> ThreadContext.push(value);
      default -> {
        String before = expected("ctx.a");
        try (CloseableThreadContext.Instance _ = CloseableThreadContext.put("ctx.a", value)) {
          assertThat(A.getString()).isEqualTo(value);
        }
        assertThat(A.getString()).isEqualTo(before);
      }
    }
  }

  private static String expected(String name) {
    return Objects.requireNonNullElse(ThreadContext.get(name), "");
  }

  @Test
  void logEventsHaveTheContextAsBefore() throws Exception {
    inThread(
        false,
        () -> {
          ThreadContext.put("ctx.a", "acme");
          ThreadContext.put("ctx.unlisted", "x");
          LogEvent event = Log4jLogEvent.newBuilder().build();
          assertThat(event.getContextData().toMap())
              .containsOnly(Map.entry("ctx.a", "acme"), Map.entry("ctx.unlisted", "x"));
        });
  }

  /** 17, in which it says what it needs. */
  @Test
  void anOlderJavaCanLoadTheBridge() throws Exception {
    try (DataInputStream code =
        new DataInputStream(
            TaskLocalThreadContextMap.class.getResourceAsStream(
                "TaskLocalThreadContextMap.class"))) {
      assertThat(code.readInt()).isEqualTo(0xcafebabe);
      assertThat(code.readUnsignedShort()).isZero();
      assertThat(code.readUnsignedShort()).isEqualTo(17 + 44);
    }
  }

  @Test
  void withoutAListNothingIsShownAndThatIsSaid() {
    List<String> options = new ArrayList<>(Jvm.shortLived());
    options.add("-Dlog4j2.threadContextMap=" + TaskLocalThreadContextMap.class.getName());
    Jvm.Result result =
        Jvm.run(Jvm.command(options, Jvm.join(Jvm.classPath()), ContextChild.class));
    assertThat(result.exit()).as(result.output()).isZero();
    assertThat(result.output())
        .contains(
            "No value of Log4j's ThreadContext is shown: list them, as in -Dtasklocal.context=")
        .contains("the context has acme");
  }

  private static void inThread(boolean isVirtual, Runnable work) throws Exception {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread thread =
        (isVirtual ? Thread.ofVirtual() : Thread.ofPlatform())
            .start(
                () -> {
                  try {
                    work.run();
                    done.complete(null);
                  } catch (Throwable e) {
                    done.completeExceptionally(e);
                  }
                });
    done.get();
    thread.join();
  }

  @Test
  void anApplicationOnTheModulePathShowsItsContext(@TempDir Path folder) throws Exception {
    ModuleApp application =
        new ModuleApp(
            folder,
            List.of("log4j-"),
            List.of("io.github.tasklocal", "org.apache.logging.log4j"),
            """
                ThreadContext.put("tenant", "acme");
                System.out.println("seen " + TaskLocal.of("tenant",
                    MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE)).getString());
            """,
            "io.github.tasklocal.TaskLocal",
            "java.lang.foreign.*",
            "org.apache.logging.log4j.ThreadContext");
    Jvm.Result result =
        application.run(
            List.of(
                "--add-modules=io.github.tasklocal.log4j",
                "-Dlog4j2.threadContextMap=" + TaskLocalThreadContextMap.class.getName(),
                "-Dtasklocal.context=tenant:16"),
            List.of());
    assertThat(result.exit()).as(result.output()).isZero();
    assertThat(result.output()).contains("seen acme\n").doesNotContain("WARNING");
  }
}
