// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.selftest.Result.Outcome;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Runs a test, in a thread of its own: its values start at zero, and it can be given up. */
final class Runner {

  private static final int LIMIT_MILLIS = 180_000;

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
            .name("selftest")
            .daemon()
            .start(
                () -> {
                  try {
                    body(test);
                  } catch (Throwable e) {
                    thrown.set(e);
                  }
                });
    thread.join(LIMIT_MILLIS);
    Throwable failure = thrown.get();
    if (thread.isAlive()) {
      AssertionError late = new AssertionError("not done after " + LIMIT_MILLIS / 1000 + " s");
      late.setStackTrace(thread.getStackTrace());
      failure = late;
    }
    long nanos = System.nanoTime() - start;
    String logged = stale + log.take();
    return failure == null
        ? new Result(test, Outcome.PASSED, nanos, "", null, logged)
        : new Result(test, Outcome.FAILED, nanos, message(failure), failure, logged);
  }

  private void body(TestCase test) throws Exception {
    if (test.ownJvm()) {
      Jvm.run(test, settings, bpffs);
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
