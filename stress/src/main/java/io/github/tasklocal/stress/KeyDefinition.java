// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.stress;

import static io.github.tasklocal.stress.KeyPublication.emptyPage;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.github.tasklocal.error.DirectoryFullException;
import io.github.tasklocal.error.KeyConflictException;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.layout.KeyDirectory;
import java.lang.foreign.MemoryLayout;
import java.util.List;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LL_Result;
import org.openjdk.jcstress.infra.results.L_Result;

/** Two threads make keys in one directory. */
public final class KeyDefinition {

  private KeyDefinition() {}

  @JCStressTest
  @Outcome(id = "one key", expect = ACCEPTABLE, desc = "Both threads got the directory's one key.")
  @Outcome(id = "two keys", expect = FORBIDDEN, desc = "Each thread made a key of its own.")
  @State
  public static class SameName {
    private final KeyDirectory directory = new KeyDirectory(emptyPage(), emptyPage());
    private Key one;
    private Key two;

    @Actor
    public void first() {
      one = directory.define("priority", JAVA_LONG);
    }

    @Actor
    public void second() {
      two = directory.define("priority", JAVA_LONG);
    }

    @Arbiter
    @SuppressWarnings("ReferenceEquality") // one key, not two that are equal
    public void look(L_Result seen) {
      seen.r1 = one == two && directory.keys().equals(List.of(one)) ? "one key" : "two keys";
    }
  }

  @JCStressTest
  @Outcome(id = "16, 24", expect = ACCEPTABLE, desc = "The first thread was first.")
  @Outcome(id = "24, 16", expect = ACCEPTABLE, desc = "The second thread was first.")
  @Outcome(expect = FORBIDDEN, desc = "The two share bytes, leave a hole, or one is lost.")
  @State
  public static class TwoNames {
    private final KeyDirectory directory = new KeyDirectory(emptyPage(), emptyPage());
    private Key one;
    private Key two;

    @Actor
    public void first() {
      one = directory.define("priority", JAVA_LONG);
    }

    @Actor
    public void second() {
      two = directory.define("deadline", JAVA_LONG);
    }

    @Arbiter
    public void look(LL_Result seen) {
      List<Key> keys = directory.keys();
      seen.r1 = keys.contains(one) ? one.offset() : "lost";
      seen.r2 = keys.contains(two) ? two.offset() : "lost";
    }
  }

  @JCStressTest
  @Outcome(
      id = {"made, refused", "refused, made"},
      expect = ACCEPTABLE,
      desc = "One made the key, the other was refused.")
  @Outcome(id = "made, made", expect = FORBIDDEN, desc = "One name, two layouts.")
  @Outcome(
      id = "refused, refused",
      expect = FORBIDDEN,
      desc = "Both were refused, and nobody made the key.")
  @State
  public static class OneNameTwoLayouts {
    private final KeyDirectory directory = new KeyDirectory(emptyPage(), emptyPage());

    @Actor
    public void first(LL_Result seen) {
      seen.r1 = define(JAVA_INT);
    }

    @Actor
    public void second(LL_Result seen) {
      seen.r2 = define(JAVA_LONG);
    }

    private String define(MemoryLayout layout) {
      try {
        directory.define("priority", layout);
        return "made";
      } catch (KeyConflictException e) {
        return "refused";
      }
    }
  }

  @JCStressTest
  @Outcome(
      id = {"made, refused", "refused, made"},
      expect = ACCEPTABLE,
      desc = "One got the last bytes, the other was refused.")
  @Outcome(id = "made, made", expect = FORBIDDEN, desc = "A value lies past the page's end.")
  @Outcome(
      id = "refused, refused",
      expect = FORBIDDEN,
      desc = "Both were refused, and nobody got the last bytes.")
  @State
  public static class LastRoom {
    private final KeyDirectory directory = new KeyDirectory(emptyPage(), emptyPage());

    public LastRoom() {
      directory.define("most", MemoryLayout.sequenceLayout(DataPage.CAPACITY - 8, JAVA_BYTE));
    }

    @Actor
    public void first(LL_Result seen) {
      seen.r1 = define("priority");
    }

    @Actor
    public void second(LL_Result seen) {
      seen.r2 = define("deadline");
    }

    private String define(String name) {
      try {
        directory.define(name, JAVA_LONG);
        return "made";
      } catch (DirectoryFullException e) {
        return "refused";
      }
    }
  }
}
