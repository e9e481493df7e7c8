// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Operation.Scene;
import java.nio.file.Path;
import java.util.logging.Logger;

/**
 * Runs each operation at every depth of the stack, from where the call itself just fails.
 * Arguments: two compiled programs, a path for a pin.
 */
public final class StackDepthChild {

  /** Held here, or the logger could be collected, and its setting with it. */
  private static final Logger LOGGER = Logger.getLogger("io.github.tasklocal");

  private StackDepthChild() {}

  public static void main(String[] arguments) throws Exception {
    LOGGER.setUseParentHandlers(false);
    try (BpfView one = BpfView.load(Path.of(arguments[0]), Wire.A);
        BpfView two = BpfView.load(Path.of(arguments[1]), Wire.B)) {
      for (Operation operation : Operation.values()) {
        run(operation, one, two, Path.of(arguments[2]));
      }
    }
    System.out.println("all operations at every depth");
  }

  private static void run(Operation operation, BpfView one, BpfView two, Path pin)
      throws Exception {
    int overflows = 0;
    int successes = 0;
    for (int spare = 0; successes < 5; spare += 1 + spare / 10) {
      if (spare > 50_000) {
        throw new AssertionError(operation + " does not succeed with " + spare + " frames left");
      }
      try (Scene scene = new Scene(one, two, pin)) {
        operation.prepare(scene);
        boolean isDone = runWith(spare, operation, scene);
        try {
          if (!isDone || operation.isRepeated()) {
            operation.run(scene);
          }
          scene.check();
        } catch (RuntimeException | Error e) {
          throw new AssertionError(operation + " with " + spare + " frames left", e);
        }
        overflows += isDone ? 0 : 1;
        successes += isDone ? 1 : 0;
      }
    }
    System.out.println(operation + ": " + overflows + " overflows");
  }

  /** {@return whether it came to its end in a thread that has so many frames left} */
  private static boolean runWith(int spare, Operation operation, Scene scene) {
    return scene.person.worker.call(
        () -> {
          Run run = new Run(operation, scene, spare);
          try {
            run.descend();
          } catch (StackOverflowError e) {
            // At the very bottom, or on the way out of it.
          }
          return run.isDone;
        });
  }

  private static final class Run {
    private final Operation operation;
    private final Scene scene;
    private int spare;
    private boolean isDone;

    Run(Operation operation, Scene scene, int spare) {
      this.operation = operation;
      this.scene = scene;
      this.spare = spare;
    }

    /** Goes to the end of the stack, comes back by some frames, and runs the operation there. */
    @SuppressWarnings("InfiniteRecursion") // until the stack ends
    private void descend() {
      try {
        descend();
      } catch (StackOverflowError e) {
        if (spare-- > 0) {
          throw e;
        }
      }
      if (spare == -1) {
        spare = -2;
        operation.run(scene);
        isDone = true;
      }
    }
  }
}
