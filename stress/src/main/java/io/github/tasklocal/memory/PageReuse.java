// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import java.lang.foreign.MemorySegment;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LL_Result;
import org.openjdk.jcstress.infra.results.L_Result;

/** Two threads take pages and give them back. In this package, where pages can be given back. */
public final class PageReuse {

  /** For all states, since pages are never freed. */
  private static final Pages PAGES = new Pages();

  private PageReuse() {}

  @JCStressTest
  @Outcome(id = "two pages", expect = ACCEPTABLE, desc = "Each thread has a page.")
  @Outcome(id = "one page", expect = FORBIDDEN, desc = "Both threads have the same page.")
  @State
  public static class TwoTake {
    private MemorySegment one;
    private MemorySegment two;

    @Actor
    public void first() {
      one = PAGES.take();
    }

    @Actor
    public void second() {
      two = PAGES.take();
    }

    @Arbiter
    public void look(L_Result seen) {
      seen.r1 = one.address() == two.address() ? "one page" : "two pages";
      PAGES.giveBack(one);
      PAGES.giveBack(two);
    }
  }

  @JCStressTest
  @Outcome(id = "zeroed, zeroed", expect = ACCEPTABLE, desc = "Each thread got an empty page.")
  @Outcome(expect = FORBIDDEN, desc = "A thread saw what another had written in its page before.")
  @State
  public static class GiveBackAndTake {

    @Actor
    public void first(LL_Result seen) {
      seen.r1 = use();
    }

    @Actor
    public void second(LL_Result seen) {
      seen.r2 = use();
    }

    private static String use() {
      MemorySegment page = PAGES.take();
      long found = 0;
      for (long at = 0; at < page.byteSize(); at += Long.BYTES) {
        found |= page.get(JAVA_LONG, at);
        page.set(JAVA_LONG, at, -1);
      }
      page.fill((byte) 0);
      PAGES.giveBack(page);
      return found == 0 ? "zeroed" : "used";
    }
  }
}
