// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import com.sun.management.HotSpotDiagnosticMXBean;
import com.sun.management.HotSpotDiagnosticMXBean.ThreadDumpFormat;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import jdk.jfr.Configuration;
import jdk.jfr.Recording;
import org.jspecify.annotations.Nullable;

/**
 * What tools do to the threads of a JVM, again and again until this is closed: stack traces of
 * single threads, dumps of all, and flight recordings that sample them.
 */
public final class Storm implements AutoCloseable {

  private static final long RECORDED_MILLIS = 300;

  private final List<Thread> running = new ArrayList<>();
  private final AtomicReference<@Nullable Throwable> thrown = new AtomicReference<>();
  private final AtomicLong traces = new AtomicLong();
  private final AtomicLong dumps = new AtomicLong();
  private final AtomicLong recordings = new AtomicLong();
  private volatile boolean stop;

  @FunctionalInterface
  private interface Work {
    void once() throws Exception;
  }

  /**
   * Begins.
   *
   * @param threads whose stack traces are taken
   * @param folder where files are written, and deleted
   * @param random chooses the threads
   */
  public Storm(List<Thread> threads, Path folder, Random random) {
    start(
        "traces",
        traces,
        () -> {
          StackTraceElement[] ignored = threads.get(random.nextInt(threads.size())).getStackTrace();
        });
    start("dumps", dumps, () -> dump(folder.resolve("dump")));
    start("recordings", recordings, () -> record(folder.resolve("recording.jfr")));
  }

  private void start(String name, AtomicLong count, Work work) {
    running.add(
        Thread.ofPlatform()
            .daemon()
            .name("storm-" + name)
            .start(
                () -> {
                  try {
                    while (!stop) {
                      work.once();
                      count.incrementAndGet();
                    }
                  } catch (Throwable e) {
                    thrown.compareAndSet(null, e);
                  }
                }));
  }

  private void dump(Path file) throws Exception {
    HotSpotDiagnosticMXBean bean =
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
    boolean json = dumps.get() % 2 == 0;
    bean.dumpThreads(file.toString(), json ? ThreadDumpFormat.JSON : ThreadDumpFormat.TEXT_PLAIN);
    Files.delete(file);
  }

  private static void record(Path file) throws Exception {
    try (Recording recording = new Recording(Configuration.getConfiguration("profile"))) {
      recording.start();
      Thread.sleep(RECORDED_MILLIS); // how much is recorded; nothing is waited for
      recording.dump(file);
    }
    Files.delete(file);
  }

  /** {@return how many stack traces were taken} */
  public long traces() {
    return traces.get();
  }

  /** {@return how many times all threads were dumped} */
  public long dumps() {
    return dumps.get();
  }

  /** {@return how many recordings were made} */
  public long recordings() {
    return recordings.get();
  }

  /** Ends it, and throws what the first failure threw. */
  @Override
  public void close() {
    stop = true;
    for (Thread each : running) {
      try {
        each.join();
      } catch (InterruptedException e) {
        throw new IllegalStateException("interrupted while the storm ends", e);
      }
    }
    Throwable first = thrown.get();
    if (first != null) {
      throw new IllegalStateException("the storm failed: " + first.getMessage(), first);
    }
  }
}
