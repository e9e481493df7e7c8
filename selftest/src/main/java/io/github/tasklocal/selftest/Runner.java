// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.kit.Patience;
import io.github.tasklocal.selftest.Result.Outcome;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Runs each test in a thread of its own, so that its values start at zero and it can be abandoned.
 */
final class Runner {

  /** Longer than the limit of a child process, whose own failure tells more. */
  private static final Duration LIMIT = Patience.CHILD.multipliedBy(2);

  private static final int FRAMES = 4;

  /** What the names of a test's threads begin with. */
  static final String THREAD = "selftest";

  private final Fixture.Settings settings;
  private final Bpffs bpffs;
  private final LibraryLog log;
  private final Map<Need, String> unmet;

  Runner(Fixture.Settings settings, Bpffs bpffs, LibraryLog log, Map<Need, String> unmet) {
    this.settings = settings;
    this.bpffs = bpffs;
    this.log = log;
    this.unmet = unmet;
  }

  Result run(TestCase test) throws InterruptedException {
    String lack =
        unmet.entrySet().stream()
            .filter(need -> test.needs().contains(need.getKey()))
            .map(Map.Entry::getValue)
            .collect(Collectors.joining("; "));
    if (!lack.isEmpty()) {
      return new Result(test, Outcome.SKIPPED, 0, lack, null, "");
    }
    String stale = log.take();
    AtomicReference<@Nullable Throwable> thrown = new AtomicReference<>();
    long start = System.nanoTime();
    Thread thread =
        Thread.ofPlatform()
            .name(THREAD)
            .daemon()
            .start(
                () -> {
                  try {
                    body(test);
                  } catch (Throwable e) {
                    thrown.set(e);
                  }
                });
    Patience patience = new Patience(LIMIT);
    boolean ended = false;
    while (!ended && !patience.isOver()) {
      ended = thread.join(Duration.ofSeconds(1));
    }
    Throwable failure = thrown.get();
    if (!ended) {
      failure =
          new AssertionError("not done after " + patience.waited().toSeconds() + " s:" + stacks());
      ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
      thread.interrupt();
    }
    long nanos = System.nanoTime() - start;
    String logged = stale + log.take();
    return failure == null
        ? new Result(test, Outcome.PASSED, nanos, "", null, logged)
        : new Result(test, Outcome.FAILED, nanos, message(failure), failure, logged);
  }

  /** {@return where the test's threads are, those at the same place together} */
  private static String stacks() {
    return Thread.getAllStackTraces().entrySet().stream()
        .filter(each -> each.getKey().getName().startsWith(THREAD))
        .collect(
            Collectors.groupingBy(
                each -> place(each.getValue()),
                Collectors.mapping(each -> each.getKey().getName(), Collectors.joining(", "))))
        .entrySet()
        .stream()
        .map(each -> "\n" + each.getValue() + " at" + each.getKey())
        .sorted()
        .collect(Collectors.joining());
  }

  private static String place(StackTraceElement[] frames) {
    return Arrays.stream(frames)
        .filter(frame -> frame.equals(frames[0]) || frame.getClassName().startsWith("io.github"))
        .limit(FRAMES)
        .map(frame -> "\n  " + frame)
        .collect(Collectors.joining());
  }

  private void body(TestCase test) throws Exception {
    if (test.ownJvm()) {
      TestProcess.run(test, settings, bpffs);
    } else {
      try (Fixture fixture = new Fixture(test.wire(), settings, bpffs)) {
        test.body().run(fixture);
      }
    }
  }

  private static String message(Throwable failure) {
    String message =
        failure instanceof AssertionError && failure.getMessage() != null
            ? failure.getMessage()
            : failure.toString();
    return message
        + Arrays.stream(failure.getSuppressed())
            .map(each -> "\nand: " + each)
            .distinct()
            .limit(3)
            .collect(Collectors.joining());
  }
}
