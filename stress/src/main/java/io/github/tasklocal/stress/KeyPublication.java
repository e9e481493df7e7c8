// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.stress;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.KeyDirectory;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.util.function.Supplier;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.L_Result;

/**
 * A thread makes two keys, one after the other, while a reader walks the page of keys as a BPF
 * program does: it loads what makes an entry visible, and then the entry. It walks again and again
 * until it has seen both keys, so that it is there when they appear. It reads bytes where
 * docs/wires.md says they are, not through the library's own layouts.
 */
public final class KeyPublication {

  /** As long as names can be, so that there is much to see too early. */
  private static final String FIRST = "first.".repeat(10) + "1";

  private static final String SECOND = "second".repeat(10) + "2";
  private static final byte[][] NAMES = {
    FIRST.getBytes(StandardCharsets.UTF_8), SECOND.getBytes(StandardCharsets.UTF_8)
  };

  /** Takes 16 bytes of the page. */
  private static final MemoryLayout FIRST_LAYOUT = MemoryLayout.sequenceLayout(12, JAVA_BYTE);

  private static final int[] OFFSETS = {DataPage.START, DataPage.START + 16};
  private static final int[] SIZES = {12, Long.BYTES};

  private static final int ENTRY = 64;
  private static final int AFTER_NAME = 62;

  /** Many more than the maker needs. */
  private static final int WALKS = 1000;

  private static final VarHandle BYTE = JAVA_BYTE.varHandle();
  private static final VarHandle SHORT = JAVA_SHORT.varHandle();

  private KeyPublication() {}

  /** What one walk finds. */
  private enum Found {
    NOTHING,
    FIRST,
    BOTH,
    PART_OF_A_NAME,
    WRONG_NUMBER
  }

  /** On the heap, so that jcstress sees what a state costs; the protocol is the same there. */
  static MemorySegment emptyPage() {
    return MemorySegment.ofArray(new long[DataPage.SIZE / Long.BYTES]);
  }

  private static void makeBoth(KeyDirectory directory) {
    directory.define(FIRST, FIRST_LAYOUT);
    directory.define(SECOND, JAVA_LONG);
  }

  private static String watch(Supplier<Found> walk) {
    String seen = "no key";
    for (int i = 0; i < WALKS; i++) {
      switch (walk.get()) {
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

  /** Reads an entry that is visible. */
  private static Found read(MemorySegment page, long at, int index, int number) {
    byte[] name = NAMES[index];
    for (int i = 0; i < name.length; i++) {
      if (page.get(JAVA_BYTE, at + i) != name[i]) {
        return Found.PART_OF_A_NAME;
      }
    }
    return page.get(JAVA_SHORT, at + AFTER_NAME) != number
        ? Found.WRONG_NUMBER
        : index == 0 ? Found.FIRST : Found.BOTH;
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
      seen.r1 = watch(this::walk);
    }

    private Found walk() {
      Found found = Found.NOTHING;
      for (int i = 0; i < NAMES.length && found.ordinal() == i; i++) {
        long at = (long) i * ENTRY;
        if ((byte) BYTE.getAcquire(page, at) == 0) {
          return found;
        }
        found = read(page, at, i, OFFSETS[i]);
      }
      return found;
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
    private static final int FIRST_ENTRY = 4;

    private final MemorySegment page = emptyPage();
    private final KeyDirectory directory = new KeyDirectory(emptyPage(), page);

    @Actor
    public void maker() {
      makeBoth(directory);
    }

    @Actor
    public void bpf(L_Result seen) {
      seen.r1 = watch(this::walk);
    }

    private Found walk() {
      Found found = Found.NOTHING;
      for (int i = 0; i < NAMES.length && found.ordinal() == i; i++) {
        if ((short) SHORT.getAcquire(page, 0L) <= i) {
          return found;
        }
        found = read(page, FIRST_ENTRY + (long) i * ENTRY, i, SIZES[i]);
      }
      return found;
    }
  }
}
