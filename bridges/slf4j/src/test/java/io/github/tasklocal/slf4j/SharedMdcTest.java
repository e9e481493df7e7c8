// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.slf4j;

import static io.github.tasklocal.junit.TaskLocalAssertions.assertSeen;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.util.LogbackMDCAdapter;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.context.ContextKeys;
import io.github.tasklocal.junit.TaskLocalExtension;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.logging.slf4j.Log4jMDCAdapter;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.helpers.BasicMDCAdapter;
import org.slf4j.spi.MDCAdapter;

/** What is shown is what the backend has, whatever was done to it, with each backend's own MDC. */
@ExtendWith(TaskLocalExtension.class)
class SharedMdcTest {

  private static final String LIST = "mdc.a:16,mdc.b:8,mdc.n:long";
  private static final List<String> NAMES = List.of("mdc.a", "mdc.b", "mdc.n", "mdc.unlisted");
  private static final TaskLocal.OfSegment A =
      TaskLocal.of("mdc.a", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
  private static final TaskLocal.OfSegment B =
      TaskLocal.of("mdc.b", MemoryLayout.sequenceLayout(8, ValueLayout.JAVA_BYTE));
  private static final TaskLocal.OfLong N = TaskLocal.of("mdc.n", ValueLayout.JAVA_LONG);

  static Stream<Arguments> backends() {
    return Stream.<Supplier<MDCAdapter>>of(
            LogbackMDCAdapter::new, Log4jMDCAdapter::new, BasicMDCAdapter::new)
        .flatMap(
            each ->
                Stream.of(
                    Arguments.of(each.get(), false, false),
                    Arguments.of(each.get(), true, false),
                    Arguments.of(each.get(), false, true),
                    Arguments.of(each.get(), true, true)));
  }

  @ParameterizedTest(name = "{0}, virtual {1}, deques {2}")
  @MethodSource("backends")
  void afterEachOfManyChangesAThreadShowsWhatItsMdcHas(
      MDCAdapter backend, boolean isVirtual, boolean hasDeques) throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    SharedMdc mdc = SharedMdc.of(backend, ContextKeys.parse(LIST));
    inThread(
        isVirtual,
        () -> {
          Random random = new Random(seed);
          int shown = 0;
          for (int i = 0; i < 5000; i++) {
            String name = NAMES.get(random.nextInt(NAMES.size()));
            change(mdc, random, name, hasDeques);
            assertThat(A.getString()).as("change %d", i).isEqualTo(expected(backend, "mdc.a"));
            assertThat(B.getString()).as("change %d", i).isEqualTo(expected(backend, "mdc.b"));
            assertThat(N.get())
                .as("change %d", i)
                .isEqualTo(Long.parseLong("0" + expected(backend, "mdc.n")));
            shown += A.getString().isEmpty() ? 0 : 1;
            if (!isVirtual && random.nextInt(50) == 0) {
              assertSeen(Thread.currentThread(), A, expected(backend, "mdc.a"));
              assertSeen(Thread.currentThread(), N, N.get());
            }
            if (random.nextInt(50) == 0) {
              LockSupport.parkNanos(1); // a virtual thread may go on with another carrier
            }
          }
          assertThat(shown).isBetween(500, 4900);
        });
  }

  private static void change(SharedMdc mdc, Random random, String name, boolean hasDeques) {
    String value = Integer.toString(1 + random.nextInt(1000));
    switch (random.nextInt(hasDeques ? 12 : 8)) {
      case 0, 1, 2, 3 -> mdc.put(name, value);
      case 4, 5 -> mdc.remove(name);
      case 6 -> {
        if (random.nextInt(4) == 0) {
          mdc.clear();
        }
      }
      case 7 -> {
        Map<String, String> map = new HashMap<>();
        if (random.nextBoolean()) {
          map.put(name, value);
        }
        mdc.setContextMap(map);
        assertThat(mdc.get(name)).isEqualTo(map.get(name));
      }
      case 8, 9 -> mdc.pushByKey(name, value);
      case 10 -> {
        try {
          mdc.popByKey(name);
        } catch (NoSuchElementException e) {
          // Some say so that a deque is empty.
        }
      }
      default -> mdc.clearDequeByKey(name);
    }
  }

  /** From the definition, and the backend itself. */
  private static String expected(MDCAdapter backend, String name) {
    Deque<String> deque = backend.getCopyOfDequeByKey(name);
    String value = deque == null || deque.isEmpty() ? backend.get(name) : deque.getFirst();
    return value == null ? "" : value;
  }

  @ParameterizedTest(name = "{0}, virtual {1}, deques {2}")
  @MethodSource("backends")
  void whereTheMdcHasNoValueThatOfAnotherContextIsShown(
      MDCAdapter backend, boolean isVirtual, boolean hasDeques) throws Exception {
    ContextKeys keys = ContextKeys.parse(LIST).with(name -> name.equals("mdc.a") ? "other" : null);
    SharedMdc mdc = SharedMdc.of(backend, keys);
    inThread(
        isVirtual,
        () -> {
          if (hasDeques) {
            mdc.pushByKey("mdc.a", "deep");
            assertThat(A.getString()).isEqualTo("deep");
            mdc.clearDequeByKey("mdc.a");
            assertThat(A.getString()).isEqualTo("other");
          }
          mdc.put("mdc.a", "mine");
          mdc.put("mdc.b", "b");
          assertThat(A.getString()).isEqualTo("mine");
          mdc.remove("mdc.a");
          assertThat(A.getString()).isEqualTo("other");
          mdc.clear();
          assertThat(A.getString()).isEqualTo("other");
          assertThat(B.getString()).isEmpty();
        });
  }

  @ParameterizedTest(name = "{0}, virtual {1}, deques {2}")
  @MethodSource("backends")
  void threadsHaveValuesOfTheirOwn(MDCAdapter backend, boolean isVirtual, boolean hasDeques)
      throws Exception {
    SharedMdc mdc = SharedMdc.of(backend, ContextKeys.parse(LIST));
    inThread(
        isVirtual,
        () -> {
          mdc.put("mdc.a", "mine");
          try {
            inThread(
                isVirtual,
                () -> {
                  if (hasDeques) {
                    mdc.pushByKey("mdc.a", "other");
                  } else {
                    mdc.put("mdc.a", "other");
                  }
                  assertThat(A.getString()).isEqualTo("other");
                });
          } catch (Exception e) {
            throw new AssertionError(e);
          }
          assertThat(A.getString()).isEqualTo("mine");
        });
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
    try {
      done.get();
    } catch (ExecutionException e) {
      throw new AssertionError("in " + thread, e.getCause());
    }
  }
}
