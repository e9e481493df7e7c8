// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Operation.Scene;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.concurrent.FutureTask;
import java.util.logging.Logger;

/**
 * Runs each operation while the heap is full, except for a little more each time. Arguments: two
 * compiled programs, a path for a pin, and anything more for the first uses only.
 */
public final class FullHeapChild {

  /** Held here, or the logger could be collected, and its setting with it. */
  private static final Logger LOGGER = Logger.getLogger("io.github.tasklocal");

  /** In objects of 32 bytes. */
  private static final int MOST = 600;

  private FullHeapChild() {}

  public static void main(String[] arguments) throws Exception {
    LOGGER.setUseParentHandlers(false);
    try (BpfView one = BpfView.load(Path.of(arguments[0]), Wire.A);
        BpfView two = BpfView.load(Path.of(arguments[1]), Wire.B)) {
      for (Operation operation : Operation.values()) {
        if (arguments.length == 3 || operation.compareTo(Operation.BEGIN) < 0) {
          run(operation, one, two, Path.of(arguments[2]));
        }
      }
    }
    System.out.println("all operations in a full heap");
  }

  private static void run(Operation operation, BpfView one, BpfView two, Path pin)
      throws Exception {
    int errors = 0;
    for (int spare = 0; spare < MOST; spare += 1 + spare / 2) {
      try (Scene scene = new Scene(one, two, pin)) {
        operation.prepare(scene);
        int left = spare;
        FutureTask<Boolean> task = new FutureTask<>(() -> attempt(operation, scene, left));
        scene.person.worker.runQuietly(task); // another thread would find the heap full, too
        boolean isDone = task.get();
        try {
          if (!isDone || operation.isRepeated()) {
            operation.run(scene);
          }
          scene.check();
        } catch (RuntimeException | Error e) {
          throw new AssertionError(operation + " with " + spare + " objects left", e);
        }
        errors += isDone ? 0 : 1;
      }
    }
    System.out.println(operation + ": " + errors + " times out of memory");
  }

  /** {@return whether the operation came to its end} */
  private static boolean attempt(Operation operation, Scene scene, int spare) {
    Object[] filling = fill();
    for (int i = 0; i < spare; i++) {
      filling = (Object[]) filling[0];
    }
    try {
      operation.run(scene);
      return true;
    } catch (OutOfMemoryError e) {
      return false;
    } finally {
      Reference.reachabilityFence(filling);
    }
  }

  /** {@return a chain of objects for which there was room; the first ones are the smallest} */
  public static Object[] fill() {
    Object[] last = new Object[4];
    for (int length : new int[] {1 << 18, 1 << 12, 4}) {
      try {
        while (true) {
          Object[] next = new Object[length];
          next[0] = last;
          last = next;
        }
      } catch (OutOfMemoryError e) {
        // Then smaller ones, for which there is more room than for the few that would still fit.
        for (int i = 0; length == 1 << 12 && i < 10; i++) {
          last = (Object[]) last[0];
        }
      }
    }
    return last;
  }
}
