// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * The other process of a {@link ServedProcess}: threads whose values say whose they are. They come
 * and go, or all of them are new and have one value.
 */
final class ServedThreads {

  /** Before what was wrong until then: values that were not zero, or not what was written. */
  static final String STILL = "still ";

  private static final int MOST_ROUNDS = 200;
  private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

  private final int threads;
  private final AtomicInteger alive = new AtomicInteger();
  private final AtomicLong wrong = new AtomicLong();
  private CountDownLatch end = new CountDownLatch(0);
  private volatile boolean storm;

  private ServedThreads(int threads) {
    this.threads = threads;
  }

  /**
   * Does what it is told until its input ends.
   *
   * @param args how many threads
   */
  public static void main(String[] args) throws Exception {
    ServedThreads all = new ServedThreads(Integer.parseInt(args[0]));
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      all.endAll();
      if (line.equals("storm")) {
        all.storm();
      } else {
        all.still(Integer.parseInt(line.substring(STILL.length())));
      }
    }
    Runtime.getRuntime().halt(0);
  }

  /** {@return the first value of the calling thread, which tells BPF whose it is} */
  private static long first() {
    try {
      Path self = Path.of("/proc/thread-self").toRealPath();
      return Long.parseLong(self.getFileName().toString()) << 32;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void start(Runnable work) {
    alive.incrementAndGet();
    Thread ignored =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  try {
                    work.run();
                  } finally {
                    alive.decrementAndGet();
                  }
                });
  }

  private void endAll() {
    storm = false;
    end.countDown();
    while (alive.get() > 0) {
      LockSupport.parkNanos(PAUSE_NANOS);
    }
  }

  private void storm() {
    storm = true;
    for (int i = 0; i < threads; i++) {
      start(this::live);
    }
  }

  /** Writes for a while, and has another thread go on. */
  private void live() {
    long first = first();
    long written = 0;
    int rounds = ThreadLocalRandom.current().nextInt(1, MOST_ROUNDS);
    for (int i = 1; i <= rounds && storm; i++) {
      check(written);
      written = first + i;
      Tasks.KEY.set(written);
      LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(PAUSE_NANOS));
    }
    check(written);
    if (storm) {
      start(this::live);
    }
  }

  private void check(long written) {
    if (Tasks.KEY.get() != written) {
      wrong.incrementAndGet();
    }
  }

  /** Starts threads that all write this value, and write it again and again. */
  private void still(int value) throws InterruptedException {
    CountDownLatch written = new CountDownLatch(threads);
    CountDownLatch over = new CountDownLatch(1);
    end = over;
    for (int i = 0; i < threads; i++) {
      start(
          () -> {
            long mine = first() + value;
            check(0);
            Tasks.KEY.set(mine);
            written.countDown();
            while (!isOver(over)) {
              check(mine);
            }
          });
    }
    written.await();
    System.out.println(STILL + wrong.get());
  }

  /** {@return whether that is over} A thread that is not served yet will be by its next use. */
  private boolean isOver(CountDownLatch over) {
    try {
      return over.await(Math.max(100, threads / 4), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      return true;
    }
  }
}
