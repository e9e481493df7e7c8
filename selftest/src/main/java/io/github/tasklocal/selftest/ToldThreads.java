// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalThread;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.kit.Blocking;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Virtual threads that block in every way. A BPF program is told with each call which values the
 * calling thread has. A third of the threads have none: there the carrier's own are seen.
 */
public final class ToldThreads {

  static final TaskLocal.OfInt VALUE = TaskLocal.of("told", JAVA_INT);
  static final TaskLocal.OfInt OTHER = TaskLocal.of("told_too", JAVA_INT);

  /** What each carrier has of its own, as soon as the program has written it there. */
  private static final int OWN = 77;

  /** Values of a thread before they begin again; a power of 2. */
  private static final int VALUES = 1 << 12;

  private static final int BUSY = 3;

  private final BpfObject object;
  private final BpfProgram tell;
  private final BpfProgram write;
  private final Blocking blocking;
  private final AtomicReference<@Nullable Throwable> thrown = new AtomicReference<>();
  private final AtomicLong parked = new AtomicLong();
  private final AtomicLong lost = new AtomicLong();
  private final AtomicLong ownRight = new AtomicLong();
  private final AtomicLong ownWrong = new AtomicLong();
  private final Set<Integer> carriers = ConcurrentHashMap.newKeySet();
  private volatile boolean stop;

  /** What a program has seen, and on which task; 0 if it has seen nothing. */
  record Seen(int value, int other, int thread) {}

  /**
   * Makes none yet.
   *
   * @param object the loaded object "told", whose map is open
   * @param file is read to block
   */
  public ToldThreads(BpfObject object, Path file) {
    this.object = object;
    this.tell = object.program("tell");
    this.write = object.program("write");
    this.blocking = new Blocking(file);
  }

  /** {@return threads that are started, and end after so many rounds or when they are stopped} */
  public List<Thread> start(int count, int rounds, Random random) {
    ThreadFactory followed = TaskLocalThread.virtualFactory("followed-");
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int id = i;
      long seed = random.nextLong();
      Runnable task = () -> guarded(id, rounds, new Random(seed));
      threads.add(i % 3 == 1 ? followed.newThread(task) : Thread.ofVirtual().unstarted(task));
    }
    threads.forEach(Thread::start);
    return threads;
  }

  /**
   * {@return threads that are started, set values, and park until they are stopped and unparked}
   */
  public List<Thread> startParked(int count) {
    List<Thread> threads = new ArrayList<>(count);
    for (int id = 1; id <= count; id++) {
      int value = id;
      threads.add(Thread.ofVirtual().start(() -> park(value)));
    }
    return threads;
  }

  private void park(int value) {
    try {
      VALUE.set(value);
      OTHER.set(-value);
      check(value);
      parked.incrementAndGet();
      while (!stop) {
        LockSupport.park();
      }
      check(value);
    } catch (Throwable e) {
      thrown.compareAndSet(null, e);
    }
  }

  /** {@return how many of those that park have set their values} */
  public long parked() {
    return parked.get();
  }

  /** Has them end soon. */
  public void stop() {
    stop = true;
  }

  /** {@return what the first failure threw, or null} */
  public @Nullable Throwable thrown() {
    return thrown.get();
  }

  /** {@return how often the program saw what it was told} */
  public long right() {
    return count("right");
  }

  /** {@return how often it saw something else} */
  public long wrong() {
    return count("wrong");
  }

  /** {@return how often it saw nothing} */
  public long missing() {
    return count("missing");
  }

  /** {@return how often Java did not find what it had set last} */
  public long lost() {
    return lost.get();
  }

  /** {@return how often a thread without values showed the carrier's own} */
  public long ownRight() {
    return ownRight.get();
  }

  /** {@return how often it showed others} */
  public long ownWrong() {
    return ownWrong.get();
  }

  /** {@return how many carriers were given values of their own} */
  public int carriers() {
    return carriers.size();
  }

  private long count(String counter) {
    return object.global(counter).get(JAVA_LONG, 0);
  }

  private void guarded(int id, int rounds, Random random) {
    try {
      for (int i = 0; i < rounds && !stop && thrown.get() == null; i++) {
        if (id % 3 == 0) {
          lookAtCarrier();
          blocking.block(random.nextInt(Blocking.WAYS));
        } else {
          int value = id * VALUES + i % VALUES;
          VALUE.set(value);
          OTHER.set(-value);
          check(value);
          blocking.block(random.nextInt(Blocking.WAYS));
          check(value);
        }
      }
    } catch (Throwable e) {
      thrown.compareAndSet(null, e);
    }
  }

  private void check(int value) {
    if (VALUE.get() != value || OTHER.get() != -value) {
      lost.incrementAndGet();
    }
    Seen ignored = tell(value, -value);
  }

  /** A carrier's own values are those that the program has written on a thread without values. */
  private void lookAtCarrier() {
    Seen seen = write(OWN, -OWN);
    if (seen.thread == 0) {
      return; // no thread with values was mounted there yet
    }
    boolean first = carriers.add(seen.thread);
    if (seen.value == OWN && seen.other == -OWN) {
      ownRight.incrementAndGet();
    } else if (!first || seen.value != 0 || seen.other != 0) {
      ownWrong.incrementAndGet();
    }
  }

  /** Has the program count whether the calling thread's task has these values. */
  Seen tell(int value, int other) {
    return call(tell, value, other);
  }

  /** Has the program write values to the calling thread's task; {@return those that it had} */
  Seen write(int value, int other) {
    return call(write, value, other);
  }

  private static Seen call(BpfProgram program, int value, int other) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment call = arena.allocate(JAVA_INT, 3);
      int result;
      do {
        call.setAtIndex(JAVA_INT, 0, value);
        call.setAtIndex(JAVA_INT, 1, other);
        result = program.run(call);
      } while (result == BUSY);
      return new Seen(
          call.getAtIndex(JAVA_INT, 0), call.getAtIndex(JAVA_INT, 1), call.getAtIndex(JAVA_INT, 2));
    }
  }
}
