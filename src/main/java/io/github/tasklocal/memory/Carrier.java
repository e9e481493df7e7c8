// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.layout.DataPage;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * What a carrier of virtual threads shows: its own words, or those of the thread that is mounted
 * there. Used by the carrier's thread alone, and by the thread that is mounted there.
 */
final class Carrier {

  private static final VarHandle WORD = JAVA_LONG.varHandle();
  private static final VarHandle SEQUENCE = JAVA_INT.varHandle();

  /** Where the values begin in the carrier's page. */
  final long address;

  private @Nullable VirtualRecord mounted;

  /** The carrier's own words, while others are shown. */
  private final long[] own = new long[ThreadPages.DATA.slotBytes() / Long.BYTES];

  Carrier(long address) {
    this.address = address;
  }

  /** {@return whether the values of a virtual thread are shown} */
  boolean isShown() {
    return mounted != null;
  }

  /** {@return whose words are shown, or null for its own} */
  @Nullable VirtualRecord mounted() {
    return mounted;
  }

  /**
   * Shows words of a thread.
   *
   * @param offsets where each lies in the page
   * @param guard which of them is 0 meanwhile, or -1
   */
  void mount(VirtualRecord record, short[] offsets, int guard, long[] words) {
    exchange(offsets, guard, own, words);
    mounted = record;
  }

  /** Shows its own words again, and takes those of the thread back. */
  void unmount(short[] offsets, int guard, long[] words) {
    mounted = null;
    exchange(offsets, guard, words, own);
  }

  /** Shows zero for words that the mounted thread has from now on, instead of its own. */
  void hide(short[] offsets, int from, int guard) {
    int sequence = begin();
    if (guard >= from) {
      own[guard] = exchange(address + offsets[guard], 0);
      VarHandle.storeStoreFence();
    }
    for (int i = from; i < offsets.length; i++) {
      if (i != guard) {
        own[i] = exchange(address + offsets[i], 0);
      }
    }
    end(sequence);
  }

  /**
   * Stores words in the page, and gets those that were there. Whoever stops the thread meanwhile,
   * and knows nothing of the page's sequence, finds 0 in the guard before any other word has
   * changed.
   */
  private void exchange(short[] offsets, int guard, long[] before, long[] after) {
    if (offsets.length == 0) {
      return;
    }
    long page = address; // a local, as the field would be read anew for each word
    int sequence = begin();
    if (guard >= 0) {
      before[guard] = exchange(page + offsets[guard], 0);
      VarHandle.storeStoreFence();
    }
    for (int i = 0; i < offsets.length; i++) {
      if (i != guard) {
        before[i] = exchange(page + offsets[i], after[i]);
      }
    }
    if (guard >= 0) {
      VarHandle.storeStoreFence();
      WORD.setOpaque(Memory.ALL, Memory.at(page + offsets[guard], Long.BYTES), after[guard]);
    }
    end(sequence);
  }

  /**
   * {@return the word that was there} A load and a store, not one atomic instruction, which costs
   * as much as ten of these: what a BPF program stores in between is lost.
   */
  private static long exchange(long address, long value) {
    long at = Memory.at(address, Long.BYTES);
    long before = (long) WORD.getOpaque(Memory.ALL, at);
    WORD.setOpaque(Memory.ALL, at, value);
    return before;
  }

  /**
   * Words of two threads are shown from now on; also after an exchange that did not end. What a
   * reader on another processor sees of it is in litmus/exchange.litmus. The number goes on from
   * what the page has, since other copies of the library count there, too.
   *
   * @return the number, odd, for {@link #end}
   */
  private int begin() {
    int sequence = 1 | (int) SEQUENCE.getOpaque(Memory.ALL, address + DataPage.SEQUENCE);
    SEQUENCE.setOpaque(Memory.ALL, address + DataPage.SEQUENCE, sequence);
    VarHandle.storeStoreFence(); // who sees a word of the exchange sees that it has begun
    return sequence;
  }

  /** Words of one thread are shown from now on. */
  private void end(int sequence) {
    SEQUENCE.setRelease(Memory.ALL, address + DataPage.SEQUENCE, sequence + 1);
  }
}
