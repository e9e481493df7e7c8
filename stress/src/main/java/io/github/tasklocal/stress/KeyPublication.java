// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.stress;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.SeenKey;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.L_Result;

/**
 * A thread makes two keys, one after the other, while a reader walks the page of keys as a BPF
 * program does: it loads what makes an entry visible, and then the entry. It walks again and again
 * until it has seen both keys, so that it is at work when they appear. The unit tests of {@code
 * layout} check that the bytes lie where docs/wires.md says.
 */
public final class KeyPublication {

  /** As long as names can be, so that there is much to see too early. */
  private static final String FIRST = "first.".repeat(10) + "1";

  private static final String SECOND = "second".repeat(10) + "2";

  /** Takes 16 bytes of the page. */
  private static final MemoryLayout FIRST_LAYOUT = MemoryLayout.sequenceLayout(12, JAVA_BYTE);

  /** The keys as a reader sees them on wire A, and on wires B and C. */
  private static final List<SeenKey> FORM_A =
      List.of(
          new SeenKey(FIRST, DataPage.START, 0, 16),
          new SeenKey(SECOND, DataPage.START + 16, 0, DataPage.SIZE));

  private static final List<SeenKey> FORM_B =
      List.of(new SeenKey(FIRST, 0, 12, 12), new SeenKey(SECOND, 16, Long.BYTES, Long.BYTES));

  /** Many more than the maker needs. */
  private static final int WALKS = 1000;

  private KeyPublication() {}

  /** What one walk finds. */
  private enum Found {
    NOTHING,
    FIRST,
    BOTH,
    PART_OF_A_NAME,
    WRONG_NUMBER
  }

  /**
   * {@return an empty page on the heap, where jcstress sees what a state costs; nothing else
   * differs}
   */
  static MemorySegment emptyPage() {
    return MemorySegment.ofArray(new long[DataPage.SIZE / Long.BYTES]);
  }

  private static void makeBoth(KeyDirectory directory) {
    directory.define(FIRST, FIRST_LAYOUT);
    directory.define(SECOND, JAVA_LONG);
  }

  private static String watch(MemorySegment page, Wire wire, List<SeenKey> both) {
    String seen = "no key";
    for (int i = 0; i < WALKS; i++) {
      switch (walk(page, wire, both)) {
        case NOTHING -> Thread.onSpinWait();
        case FIRST -> seen = "the first";
        case BOTH -> {
          return seen.equals("no key") ? "both at once" : "one by one";
        }
        case PART_OF_A_NAME -> {
          return "part of a name";
        }
        case WRONG_NUMBER -> {
          return "a wrong number";
        }
      }
    }
    return seen;
  }

  private static Found walk(MemorySegment page, Wire wire, List<SeenKey> both) {
    List<SeenKey> keys = SeenKey.read(page, wire);
    for (int i = 0; i < keys.size(); i++) {
      if (!keys.get(i).name().equals(both.get(i).name())) {
        return Found.PART_OF_A_NAME;
      }
      if (keys.get(i).offset() != both.get(i).offset()
          || keys.get(i).size() != both.get(i).size()) {
        return Found.WRONG_NUMBER;
      }
    }
    return Found.values()[keys.size()];
  }

  @JCStressTest
  @Outcome(id = "no key", expect = ACCEPTABLE, desc = "The reader gave up before the maker came.")
  @Outcome(id = "the first", expect = ACCEPTABLE, desc = "It gave up before the second key.")
  @Outcome(id = "one by one", expect = ACCEPTABLE, desc = "One whole key, and then another.")
  @Outcome(id = "both at once", expect = ACCEPTABLE, desc = "Two whole keys since the last walk.")
  @Outcome(
      id = "part of a name",
      expect = FORBIDDEN,
      desc = "A name had its first byte, but not the others.")
  @Outcome(
      id = "a wrong number",
      expect = FORBIDDEN,
      desc = "A name was there, and its offset was 0 or another's.")
  @State
  public static class WireA {
    private final MemorySegment page = emptyPage();
    private final KeyDirectory directory = new KeyDirectory(page, emptyPage());

    @Actor
    public void maker() {
      makeBoth(directory);
    }

    @Actor
    public void bpf(L_Result seen) {
      seen.r1 = watch(page, Wire.A, FORM_A);
    }
  }

  @JCStressTest
  @Outcome(id = "no key", expect = ACCEPTABLE, desc = "The reader gave up before the maker came.")
  @Outcome(id = "the first", expect = ACCEPTABLE, desc = "It gave up before the second key.")
  @Outcome(id = "one by one", expect = ACCEPTABLE, desc = "One whole key, and then another.")
  @Outcome(id = "both at once", expect = ACCEPTABLE, desc = "Two whole keys since the last walk.")
  @Outcome(
      id = "part of a name",
      expect = FORBIDDEN,
      desc = "A key was counted whose name was not all there.")
  @Outcome(
      id = "a wrong number",
      expect = FORBIDDEN,
      desc = "A key was counted whose size was 0 or another's.")
  @State
  public static class WiresBAndC {
    private final MemorySegment page = emptyPage();
    private final KeyDirectory directory = new KeyDirectory(emptyPage(), page);

    @Actor
    public void maker() {
      makeBoth(directory);
    }

    @Actor
    public void bpf(L_Result seen) {
      seen.r1 = watch(page, Wire.C, FORM_B);
    }
  }
}
