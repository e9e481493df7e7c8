// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.ObjectLoadException;
import io.github.tasklocal.kit.Descriptors;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Loads, uses and closes an object at every depth of the stack, from where the call itself just
 * fails. Arguments: the object, one that is refused, and a path for a pin.
 */
public final class StackEndChild {

  private static final long STACK_BYTES = 512 << 10;

  private StackEndChild() {}

  public static void main(String[] arguments) throws Exception {
    Path file = Path.of(arguments[0]);
    Path refused = Path.of(arguments[1]);
    Path pin = Path.of(arguments[2]);
    int overflows = 0;
    int successes = 0;
    int descriptors = -1;
    for (int spare = 0; successes < 5; spare += 1 + spare / 20) {
      if (spare > 50_000) {
        throw new AssertionError("no success with " + spare + " frames left");
      }
      Run run = new Run(file, refused, pin, spare);
      Thread thread = new Thread(null, run, "end of the stack", STACK_BYTES);
      thread.start();
      thread.join();
      try {
        run.use(); // whatever happened, it works with more stack
      } catch (RuntimeException | Error e) {
        throw new AssertionError("after " + spare + " frames were left", e);
      }
      overflows += run.isDone ? 0 : 1;
      successes += run.isDone ? 1 : 0;
      int now = Descriptors.count();
      if (descriptors >= 0 && now != descriptors) {
        throw new AssertionError(
            "%d descriptors, %d before, with %d frames left: %s"
                .formatted(now, descriptors, spare, Descriptors.all()));
      }
      descriptors = now;
    }
    System.out.println("at every depth; " + overflows + " overflows");
  }

  private static final class Run implements Runnable {
    private final Path file;
    private final Path refused;
    private final Path pin;
    private int spare;
    private boolean isDone;
    private @Nullable BpfObject object;

    Run(Path file, Path refused, Path pin, int spare) {
      this.file = file;
      this.refused = refused;
      this.pin = pin;
      this.spare = spare;
    }

    @Override
    public void run() {
      try {
        descend();
      } catch (StackOverflowError e) {
        // At the very bottom, or on the way out of it.
      }
    }

    /** Goes to the end of the stack, comes back by some frames, and uses an object there. */
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
        use();
        isDone = true;
      }
    }

    void use() {
      if (object != null) {
        object.close();
      }
      object = null;
      try (BpfObject bad = BpfObject.load(refused)) {
        throw new AssertionError(bad + " was loaded");
      } catch (ObjectLoadException e) {
        if (!e.log().contains("careless")) {
          throw new AssertionError("not its log: " + e.log(), e);
        }
      }
      BpfObject good = BpfObject.load(file);
      object = good;
      good.global("in_bss").set(JAVA_LONG, 0, 1);
      BpfMap counts = good.map("counts");
      MemorySegment key = MemorySegment.ofArray(new int[1]);
      if (good.program("multiply").run() != 5
          || counts.get(key).orElseThrow().get(JAVA_INT, 0) != 1) {
        throw new AssertionError("not what it did before");
      }
      counts.pin(pin);
      good.program("on_enter").attach().close();
      good.close();
    }
  }
}
