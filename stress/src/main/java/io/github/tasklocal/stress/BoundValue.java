// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.github.tasklocal.TaskLocal;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JJJ_Result;
import org.openjdk.jcstress.infra.results.JJ_Result;
import org.openjdk.jcstress.infra.results.J_Result;
import org.openjdk.jcstress.infra.results.ZZJ_Result;

/** Two threads use the value of a third, which has ended, through what that thread bound. */
public final class BoundValue {

  private BoundValue() {}

  @JCStressTest
  @Outcome(id = "0", expect = ACCEPTABLE, desc = "The value before.")
  @Outcome(id = "-81985529216486896", expect = ACCEPTABLE, desc = "The value after.")
  @Outcome(expect = FORBIDDEN, desc = "A mix of both.")
  @State
  public static class SetAndGet {
    private final TaskLocal.OfLong.Bound value = Bounds.next();

    @Actor
    public void writer() {
      value.set(0xfedc_ba98_7654_3210L);
    }

    @Actor
    public void reader(J_Result seen) {
      seen.r1 = value.get();
    }
  }

  @JCStressTest
  @Outcome(id = "0, 0", expect = ACCEPTABLE, desc = "Neither was written yet.")
  @Outcome(id = "0, 1", expect = ACCEPTABLE, desc = "The data is there, but not its flag yet.")
  @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "The flag is there, and so is the data.")
  @Outcome(id = "1, 0", expect = FORBIDDEN, desc = "The flag came before its data.")
  @State
  public static class SetReleaseAndGetAcquire {
    private final TaskLocal.OfLong.Bound data = Bounds.next();
    private final TaskLocal.OfLong.Bound flag = Bounds.next();

    @Actor
    public void writer() {
      data.set(1);
      flag.setRelease(1);
    }

    @Actor
    public void reader(JJ_Result seen) {
      seen.r1 = flag.getAcquire();
      seen.r2 = data.get();
    }
  }

  @JCStressTest
  @Outcome(
      id = {"0, 1, 2", "1, 0, 2"},
      expect = ACCEPTABLE,
      desc = "One added to the other's result.")
  @Outcome(expect = FORBIDDEN, desc = "One addition was lost.")
  @State
  public static class GetAndAdd {
    private final TaskLocal.OfLong.Bound value = Bounds.next();

    @Actor
    public void first(JJJ_Result seen) {
      seen.r1 = value.getAndAdd(1);
    }

    @Actor
    public void second(JJJ_Result seen) {
      seen.r2 = value.getAndAdd(1);
    }

    @Arbiter
    public void look(JJJ_Result seen) {
      seen.r3 = value.get();
    }
  }

  @JCStressTest
  @Outcome(
      id = {"true, false, 1", "false, true, 2"},
      expect = ACCEPTABLE,
      desc = "One succeeded, and the other failed.")
  @Outcome(expect = FORBIDDEN, desc = "Both or neither succeeded, or the value is the loser's.")
  @State
  public static class CompareAndSet {
    private final TaskLocal.OfLong.Bound value = Bounds.next();

    @Actor
    public void first(ZZJ_Result seen) {
      seen.r1 = value.compareAndSet(0, 1);
    }

    @Actor
    public void second(ZZJ_Result seen) {
      seen.r2 = value.compareAndSet(0, 2);
    }

    @Arbiter
    public void look(ZZJ_Result seen) {
      seen.r3 = value.get();
    }
  }
}
