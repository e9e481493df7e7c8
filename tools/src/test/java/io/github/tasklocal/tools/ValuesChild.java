// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_CHAR;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

/**
 * An application with values of every type in threads "t0", "t1" and so on; see {@link
 * ValuesProcess}.
 */
final class ValuesChild {

  static final TaskLocal.OfBoolean BOOLEAN = TaskLocal.of("a.boolean", JAVA_BOOLEAN);
  static final TaskLocal.OfByte BYTE = TaskLocal.of("a.byte", JAVA_BYTE);
  static final TaskLocal.OfShort SHORT = TaskLocal.of("a.short", JAVA_SHORT);
  static final TaskLocal.OfChar CHAR = TaskLocal.of("a.char", JAVA_CHAR);
  static final TaskLocal.OfInt INT = TaskLocal.of("an.int", JAVA_INT);
  static final TaskLocal.OfLong LONG = TaskLocal.of("a.long", JAVA_LONG);
  static final TaskLocal.OfFloat FLOAT = TaskLocal.of("a.float", JAVA_FLOAT);
  static final TaskLocal.OfDouble DOUBLE = TaskLocal.of("a.double", JAVA_DOUBLE);
  static final TaskLocal.OfSegment TEXT =
      TaskLocal.of("a.text", MemoryLayout.sequenceLayout(24, JAVA_BYTE));

  private ValuesChild() {}

  /**
   * Runs until its input ends.
   *
   * @param arguments the map's pin, how many threads, and whether they are virtual
   */
  public static void main(String... arguments) throws IOException, InterruptedException {
    int count = Integer.parseInt(arguments[1]);
    try (TaskLocalMap map = TaskLocalMap.watch(Path.of(arguments[0]))) {
      CountDownLatch done = new CountDownLatch(count);
      for (int i = 0; i < count; i++) {
        int number = i;
        boolean isVirtual = arguments.length > 2;
        Thread.Builder builder =
            isVirtual
                ? Thread.ofVirtual()
                : Thread.ofPlatform().name("t" + i).daemon().stackSize(65536);
        builder.start(
            () -> {
              set(number);
              done.countDown();
              while (isVirtual) {
                LONG.set(LONG.get() + 1);
                for (long start = System.nanoTime(); System.nanoTime() - start < 1_000_000; ) {
                  Thread.onSpinWait();
                }
              }
              park();
            });
      }
      done.await();
      System.out.println("ready");
      Thread.ofPlatform()
          .daemon()
          .start(
              () -> {
                Await.until("entries of all threads", () -> map.threads() == count);
                System.out.println(System.nanoTime());
              });
      while (System.in.read() >= 0) {}
    }
  }

  /** Sets the values of the thread with this number. */
  private static void set(int number) {
    BOOLEAN.set(number % 2 == 1);
    BYTE.set((byte) -number);
    SHORT.set((short) (-1000 - number));
    CHAR.set((char) ('a' + number % 26));
    INT.set(-100_000 - number);
    LONG.set(-10_000_000_000L - number);
    FLOAT.set(number + 0.5f);
    DOUBLE.set(number + 0.25);
    TEXT.setString("text " + number);
  }

  private static void park() {
    try {
      Thread.sleep(Long.MAX_VALUE);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
