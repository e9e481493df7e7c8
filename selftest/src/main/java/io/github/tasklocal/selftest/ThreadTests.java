// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static io.github.tasklocal.selftest.MapTests.NO_ENTRY;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.NativeThread;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/** Which thread a value belongs to: pools, virtual threads, and values bound to another thread. */
final class ThreadTests {

  private ThreadTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return Suite.of(
        TestCase.withoutWire(
            "Without a map, values are plain memory of their thread", ThreadTests::plainMemory),
        TestCase.withoutWire(
            "The values of a new thread are zero, also after other threads have ended",
            ThreadTests::startsAtZero),
        TestCase.onEachWire(
            "The values of a virtual thread are its own, in BPF too if they may follow it",
            ThreadTests::virtualThread),
        TestCase.onEachWire(
            "A thread of the common pool keeps its values from task to task",
            ThreadTests::commonPool),
        TestCase.onEachWire(
            "A bound value that another thread sets is seen in its own thread and in BPF",
            ThreadTests::boundValue),
        TestCase.onEachWire("A bound struct is the thread's own", ThreadTests::boundStruct),
        TestCase.onEachWire(
            "A value set for another thread is there before that thread uses a key",
            ThreadTests::fromOutside));
  }

  private static void plainMemory(Fixture fixture) throws Exception {
    TaskLocal.OfInt key = MapTests.key();
    key.set(-1);
    Parallel.run(
        fixture.threads(),
        index -> {
          Check.equal(0, key.get(), "the value of a new thread");
          for (int i = 0; i < 1000; i++) {
            key.set(index);
            Check.equal(index, key.get(), "the value that this thread has set");
          }
        });
    Check.equal(-1, key.get(), "the value of the first thread");
  }

  private static void startsAtZero(Fixture fixture) throws Exception {
    TaskLocal.OfInt key = MapTests.key();
    for (int round = 0; round < 10; round++) {
      Parallel.run(
          fixture.threads(),
          index -> {
            Check.equal(0, key.get(), "the value of a new thread");
            key.set(-1);
          });
    }
  }

  private static void fromOutside(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    fixture.share(object);
    BpfProgram lookUp = object.program("look_up");
    TaskLocal.OfInt key = MapTests.key();
    CompletableFuture<Integer> tid = new CompletableFuture<>();
    CompletableFuture<Void> set = new CompletableFuture<>();
    Parallel.run(
        2,
        index -> {
          if (index == 0) {
            tid.complete(Libc.currentTid());
            set.get();
            Check.equal(71, Fixture.find(lookUp), "the value in BPF before the thread's first use");
            Check.equal(71, key.getAndAdd(1), "the value that the thread finds");
            Check.equal(72, Fixture.find(lookUp), "the value in BPF after it");
          } else {
            NativeThread other = listed(tid.get());
            Check.equal(0, key.get(other), "the value of a thread that has set none");
            key.set(other, 71);
            Check.equal(71, key.get(other), "the value as it was set");
            set.complete(null);
          }
        });
  }

  private static NativeThread listed(int tid) {
    return NativeThread.list().stream()
        .filter(each -> each.tid() == tid)
        .findFirst()
        .orElseThrow(() -> new AssertionError("thread " + tid + " is not listed"));
  }

  private static void virtualThread(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    TaskLocalMap map = fixture.share(object);
    BpfProgram lookUp = object.program("look_up");
    TaskLocal.OfInt key = MapTests.key();
    boolean follows = VirtualTests.mayFollow();
    long before = ((TaskLocalMap.Shared) map.state()).unseen();
    key.set(3);
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                Check.equal(0, key.get(), "the value of a new virtual thread");
                key.set(4);
                checkSeen(lookUp, follows ? 4 : 0);
                LockSupport.parkNanos(1); // may go on with another carrier
                Check.equal(4, key.getAndAdd(1), "the value after it has blocked");
                checkSeen(lookUp, follows ? 5 : 0);
                Check.equal(5, key.get(), "the value in the end");
                done.complete(null);
              } catch (Throwable e) {
                done.completeExceptionally(e);
              }
            });
    Await.until("an answer of the virtual thread", done::isDone);
    done.get();
    Check.equal(3, key.get(), "the value of the platform thread");
    long after = ((TaskLocalMap.Shared) map.state()).unseen();
    Check.equal(
        follows ? 0L : 1L,
        after - before,
        "how many virtual threads the state of the map counts more");
  }

  /** A carrier that has no value of its own shows 0, or has no entry. */
  private static void checkSeen(BpfProgram lookUp, int expected) {
    int seen = Fixture.find(lookUp);
    Check.equal(expected, seen == NO_ENTRY ? 0 : seen, "the value in BPF on a virtual thread");
  }

  /** The common pool clears its threads' ThreadLocals after a task. */
  private static void commonPool(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    BpfProgram lookUp = object.program("look_up");
    TaskLocalMap map = fixture.share(object);
    TaskLocal.OfInt key = MapTests.key();
    Map<Thread, Integer> values = new ConcurrentHashMap<>();
    AtomicInteger again = new AtomicInteger();
    for (int i = 1; i <= 200 && again.get() < 20; i++) {
      int next = i * 10;
      CompletableFuture<Integer> done = new CompletableFuture<>();
      ForkJoinPool.commonPool()
          .execute(
              () -> {
                try {
                  Thread thread = Thread.currentThread();
                  Integer before = values.put(thread, next);
                  if (before != null) {
                    Check.equal(before, key.get(), "the value that the last task here has set");
                    Check.equal(before, Fixture.find(lookUp), "the same in BPF");
                    again.incrementAndGet();
                  }
                  key.set(next);
                  Fixture.seen(key, lookUp, "the value in BPF in a pool's thread");
                  done.complete(Fixture.find(lookUp));
                } catch (Throwable e) {
                  done.completeExceptionally(e);
                }
              });
      Await.until("a turn of the pool", done::isDone);
      Check.equal(next, done.get(), "the value in BPF in a pool's thread");
      // The thread finishes its work, so that it can take the next task too.
      Await.until("the pool to be at rest", ForkJoinPool.commonPool()::isQuiescent);
    }
    Check.that(again.get() > 0, "no thread of the pool ran two tasks");
    Check.equal(0, map.failures(), "failed registrations: " + map.lastFailure());
  }

  private static void boundValue(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("look_up");
    BpfProgram lookUp = object.program("look_up");
    fixture.share(object);
    TaskLocal.OfInt key = MapTests.key();
    key.set(1);
    Fixture.seen(key, lookUp, "the value in BPF"); // a bound page does not change any more
    TaskLocal.OfInt.Bound mine = key.bind();
    Check.equal(1, mine.get(), "the bound value");
    Check.equal(1, Fixture.find(lookUp), "the value in BPF");
    Parallel.run(
        1,
        index -> {
          Check.equal(
              NO_ENTRY, Fixture.find(lookUp), "the look-up in a thread that has used no key");
          mine.set(2);
          Check.equal(1, mine.getAndAdd(40) - 1, "the value before an atomic addition");
          Check.equal(0, key.get(), "the value of the other thread itself");
          Fixture.seen(key, lookUp, "the same in BPF");
        });
    Check.equal(42, key.get(), "what the other thread has set");
    Check.equal(42, Fixture.find(lookUp), "the same in BPF");
  }

  private static void boundStruct(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("checked");
    fixture.share(object);
    TaskLocal.OfSegment span = ValueTests.span();
    TaskLocal.OfSegment.Bound mine = span.bind();
    mine.update(
        segment -> {
          segment.set(JAVA_LONG, 8, 6);
          segment.set(JAVA_LONG, 16, ~6L);
        });
    Check.equal(0, object.program("read_own").run(), "reading the span in BPF");
    Check.equal(6L, object.global("seen").get(JAVA_LONG, 8), "its id in BPF");
    Check.equal(6L, span.segment().get(JAVA_LONG, 8), "its id by the key");
    Parallel.run(
        1,
        index -> {
          WrongThreadException ignored =
              Check.refused(
                  WrongThreadException.class,
                  "another thread's struct",
                  () -> mine.segment().set(JAVA_LONG, 8, 7));
        });
    Check.equal(6L, mine.segment().get(JAVA_LONG, 8), "the id after another thread tried");
  }
}
