// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.stress;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE_INTERESTING;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.memory.Memory;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.L_Result;

/**
 * A thread writes one number into all words of its struct, while a reader on another processor
 * copies them, as a BPF program does, by address.
 */
public final class LargeValue {

  private static final int WORDS = 17;

  private static final TaskLocal.OfSegment SPAN =
      TaskLocal.of(
          "span",
          MemoryLayout.structLayout(
              JAVA_INT.withName("sequence"),
              MemoryLayout.sequenceLayout(WORDS - 1, JAVA_INT).withName("words")));

  private static final VarHandle INT = JAVA_INT.varHandle();

  /** The address of the struct of the thread that wrote last. */
  private static volatile long address = SPAN.segment().address();

  /** The last number written; only the writer uses it. */
  private static int number;

  private LargeValue() {}

  /** jcstress may let another thread of its own be the writer in another round. */
  private static void showMine() {
    long mine = SPAN.segment().address();
    if (address != mine) {
      address = mine;
    }
  }

  private static void writeAll(MemorySegment span) {
    int n = ++number;
    for (int i = 1; i < WORDS; i++) {
      span.setAtIndex(JAVA_INT, i, n);
    }
  }

  private static int[] copy(long from) {
    int[] copy = new int[WORDS];
    for (int i = 0; i < WORDS; i++) {
      copy[i] = (int) INT.getOpaque(Memory.ALL, from + 4L * i);
    }
    return copy;
  }

  private static String judge(int[] copy) {
    for (int i = 2; i < WORDS; i++) {
      if (copy[i] != copy[1]) {
        return "half-written";
      }
    }
    return "whole";
  }

  @JCStressTest
  @Outcome(id = "whole", expect = ACCEPTABLE, desc = "All words of the copy are of one write.")
  @Outcome(
      id = "given up",
      expect = ACCEPTABLE,
      desc = "At each of three tries a write was under way.")
  @Outcome(
      id = "half-written",
      expect = FORBIDDEN,
      desc = "Words of two writes were taken for one value.")
  @State
  public static class Checked {

    @Actor
    public void writer() {
      showMine();
      SPAN.update(LargeValue::writeAll);
      Thread.onSpinWait(); // or the reader would hardly ever find the struct at rest
    }

    /** As {@code bpf_tld_read_checked} in the C header does. */
    @Actor
    public void bpf(L_Result seen) {
      long from = address;
      for (int i = 0; i < 3; i++) {
        int sequence = (int) INT.getOpaque(Memory.ALL, from);
        if ((sequence & 1) != 0) {
          continue;
        }
        VarHandle.fullFence();
        int[] copy = copy(from);
        VarHandle.fullFence();
        if ((int) INT.getOpaque(Memory.ALL, from) == sequence) {
          seen.r1 = judge(copy);
          return;
        }
      }
      seen.r1 = "given up";
    }
  }

  @JCStressTest
  @Outcome(id = "whole", expect = ACCEPTABLE, desc = "All words of the copy are of one write.")
  @Outcome(
      id = "half-written",
      expect = ACCEPTABLE_INTERESTING,
      desc = "Words of two writes: the test can show them.")
  @State
  public static class Unchecked {

    @Actor
    public void writer() {
      showMine();
      writeAll(SPAN.segment());
    }

    @Actor
    public void bpf(L_Result seen) {
      seen.r1 = judge(copy(address));
    }
  }
}
