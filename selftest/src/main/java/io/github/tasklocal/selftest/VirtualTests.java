// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.selftest.ToldThreads.Seen;
import java.nio.file.Files;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;

/** Values of virtual threads, which BPF sees if Java was started so that they may follow. */
final class VirtualTests {

  private VirtualTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return Suite.of(
        TestCase.onEachWire(
            "BPF sees a virtual thread's values, and else the carrier's own, however it blocks",
            VirtualTests::blocking),
        TestCase.onEachWire(
            "A scope on a virtual thread that blocks inside is seen in BPF, and ends",
            VirtualTests::scope),
        TestCase.onEachWire(
            "What BPF writes on a virtual thread stays its value after it has blocked",
            VirtualTests::written));
  }

  /** {@return whether Java was started so that values may follow virtual threads} */
  static boolean mayFollow() {
    return Object.class.getModule().isExported("jdk.internal.misc", VirtualTests.class.getModule())
        && !"plain".equals(System.getProperty("tasklocal.virtualThreads"));
  }

  private static ToldThreads told(Fixture fixture, BpfObject object) throws Exception {
    return new ToldThreads(
        object, Files.writeString(fixture.folder().resolve("file"), "something to read"));
  }

  private static void blocking(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("told");
    TaskLocalMap map = fixture.share(object);
    ToldThreads told = told(fixture, object);
    for (Thread each : told.start(60, 20, fixture.random())) {
      Await.until("the end of a virtual thread", () -> !each.isAlive());
    }
    Throwable thrown = told.thrown();
    if (thrown != null) {
      throw new AssertionError("a virtual thread failed: " + thrown.getMessage(), thrown);
    }
    Check.equal(0L, told.lost(), "values lost in Java");
    Check.equal(0L, told.ownWrong(), "values of a carrier that are not its own");
    if (mayFollow()) {
      Check.equal(40 * 20 * 2L, told.right(), "how often BPF sees what it was told");
      Check.equal(0L, told.wrong() + told.missing(), "how often BPF sees something else");
      Check.equal(0, map.failures(), "failed registrations");
    } else {
      Check.equal(0L, told.right(), "how often BPF sees values that may not follow");
    }
  }

  private interface Step {
    void run() throws Exception;
  }

  private static void onVirtual(Step step) throws Exception {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                step.run();
                done.complete(null);
              } catch (Throwable e) {
                done.completeExceptionally(e);
              }
            });
    Await.until("an answer of a virtual thread", done::isDone);
    done.get();
  }

  private static void checkSeen(ToldThreads told, int value) {
    Check.equal(value, ToldThreads.VALUE.get(), "the value in Java");
    if (mayFollow()) {
      Check.equal(value, told.tell(value, 0).value(), "the value in BPF");
    }
  }

  private static void scope(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("told");
    fixture.share(object);
    ToldThreads told = told(fixture, object);
    onVirtual(
        () -> {
          ToldThreads.OTHER.set(0);
          ToldThreads.VALUE.set(1);
          for (int i = 2; i < 100; i++) {
            int inside = i;
            ToldThreads.VALUE
                .with(inside)
                .run(
                    () -> {
                      LockSupport.parkNanos(1);
                      checkSeen(told, inside);
                    });
            checkSeen(told, 1);
          }
        });
  }

  private static void written(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("told");
    fixture.share(object);
    ToldThreads told = told(fixture, object);
    onVirtual(
        () -> {
          ToldThreads.OTHER.set(0);
          ToldThreads.VALUE.set(1);
          if (!mayFollow()) {
            return;
          }
          for (int i = 1; i < 100; i++) {
            Seen before = told.write(i + 1, 0);
            Check.equal(i, before.value(), "the value that BPF finds");
            LockSupport.parkNanos(1);
            checkSeen(told, i + 1);
          }
        });
  }
}
