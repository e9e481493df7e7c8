// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.ref.Reference;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;

/** The accesses to a struct, union, array or string. */
abstract sealed class SegmentAccess permits TaskLocal.OfSegment, TaskLocal.OfSegment.Bound {

  private static final VarHandle SEQUENCE = ValueLayout.JAVA_INT.varHandle();
  private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();

  final boolean sequenced;

  SegmentAccess(MemoryLayout layout) {
    this.sequenced = isSequenced(layout);
  }

  /** {@return whether a value has a sequence, so that BPF programs detect a half-written one} */
  static boolean isSequenced(MemoryLayout layout) {
    return layout instanceof StructLayout struct
        && struct.memberLayouts().getFirst() instanceof ValueLayout.OfInt first
        && first.name().equals(Optional.of("sequence"));
  }

  SegmentAccess(boolean sequenced) {
    this.sequenced = sequenced;
  }

  /** {@return the bytes of the value, confined to the thread to which they belong} */
  public abstract MemorySegment segment();

  /** {@return whether the value may be in another place after foreign code has run} */
  abstract boolean moves();

  /**
   * {@return the whole words of the value, where it lies now: each value has words of its own,
   * whatever its size} The caller keeps this object reachable.
   */
  abstract MemorySegment words();

  /** {@return how many bytes the value has} */
  abstract int size();

  /** {@return how many bytes the whole words of a value have} */
  static long wordBytes(long size) {
    return (size + Long.BYTES - 1) & -Long.BYTES;
  }

  /**
   * Writes the value so that a BPF program can detect a half-written one, by reading it with {@code
   * bpf_tld_read_checked} of the C header. The value's layout must be a struct whose first member
   * is a {@code JAVA_INT} named {@code sequence}, which is odd while the writer is at work.
   *
   * {@snippet :
   * static final StructLayout LAYOUT =
   *     MemoryLayout.structLayout(
   *         JAVA_INT.withName("sequence"),
   *         JAVA_INT.withName("kind"),
   *         JAVA_LONG.withName("trace_high"),
   *         JAVA_LONG.withName("trace_low"));
   * static final TaskLocal.OfSegment SPAN = TaskLocal.of("span", LAYOUT);
   *
   * SPAN.update(span -> {
   *   span.set(JAVA_LONG, 8, high);
   *   span.set(JAVA_LONG, 16, low);
   * });
   * }
   *
   * <p>Exceptions of the writer are passed on; the value then stays as the writer left it. On a
   * virtual thread the writer gets a copy, which becomes the value when it is done.
   *
   * @param writer gets the bytes of the value, and leaves the sequence alone
   * @throws UnsupportedOperationException if the layout has no sequence
   * @throws IllegalStateException if a writer of the same value is at work in this thread
   */
  public void update(Consumer<? super MemorySegment> writer) {
    Objects.requireNonNull(writer, "writer is null: update wants the code that writes the value");
    if (!sequenced) {
      throw new UnsupportedOperationException(
          "the layout has no sequence to check by: make JAVA_INT.withName(\"sequence\") the first"
              + " member of a struct layout");
    }
    if (moves()) {
      updateCopy(writer);
      return;
    }
    MemorySegment value = segment();
    int before = begin(value);
    try {
      writer.accept(value);
    } finally {
      end(value, before);
    }
  }

  /** The thread may be somewhere else when the writer is done: what it wrote is brought there. */
  private void updateCopy(Consumer<? super MemorySegment> writer) {
    MemorySegment words = words();
    int before = begin(words);
    long[] copy = words.toArray(ValueLayout.JAVA_LONG);
    try {
      writer.accept(MemorySegment.ofArray(copy).asSlice(0, size()));
    } finally {
      write(copy, before);
    }
  }

  /**
   * {@return the sequence of a value}
   *
   * @throws IllegalStateException if it is odd
   */
  static int requireNoWriter(MemorySegment value) {
    int sequence = (int) SEQUENCE.getOpaque(value, 0L);
    if ((sequence & 1) != 0) {
      throw new IllegalStateException(
          "the value is being written: a writer must not call update for the same value");
    }
    return sequence;
  }

  /** {@return the sequence, which is one more from now on: odd} As in litmus/checked.litmus. */
  private static int begin(MemorySegment value) {
    int before = requireNoWriter(value);
    SEQUENCE.setOpaque(value, 0L, before + 1);
    VarHandle.storeStoreFence();
    return before;
  }

  private static void end(MemorySegment value, int before) {
    SEQUENCE.setRelease(value, 0L, before + 2);
  }

  /** {@return the value's whole words} */
  final long[] read() {
    MemorySegment words = words();
    long[] found = new long[(int) (words.byteSize() / Long.BYTES)];
    for (int i = 0; i < found.length; i++) {
      found[i] = (long) WORD.getOpaque(words, (long) i * Long.BYTES);
    }
    Reference.reachabilityFence(this);
    return found;
  }

  /** Sets the value's whole words, as {@link #update} if it has a sequence, which is left alone. */
  final void write(long[] to) {
    if (sequenced) {
      write(to, begin(words()));
    } else {
      write(words(), to, 0, 0);
      Reference.reachabilityFence(this);
    }
  }

  /**
   * Sets the whole words of a value with a sequence, as {@link #update}; the sequence is left
   * alone.
   *
   * @param from has them from an index on
   */
  static void writeSequenced(MemorySegment words, long[] from, int at) {
    finish(words, from, at, begin(words));
  }

  /** Sets what follows the sequence, which is odd, and ends the update. */
  private void write(long[] to, int before) {
    finish(words(), to, 0, before);
    Reference.reachabilityFence(this);
  }

  private static void finish(MemorySegment words, long[] from, int at, int before) {
    long second = (long) at * Long.BYTES + Integer.BYTES;
    int besideSequence = MemorySegment.ofArray(from).get(ValueLayout.JAVA_INT, second);
    SEQUENCE.setOpaque(words, (long) Integer.BYTES, besideSequence);
    write(words, from, at, 1);
    end(words, before);
  }

  /** Sets whole words of a value, from the first one to set on. */
  private static void write(MemorySegment words, long[] from, int at, int first) {
    for (int i = first; i < words.byteSize() / Long.BYTES; i++) {
      WORD.setOpaque(words, (long) i * Long.BYTES, from[at + i]);
    }
  }

  /**
   * Sets the value to a text in UTF-8, filled up with NULs: a C string in an array of {@code char}.
   * A text that does not fit is refused, not cut.
   *
   * <p>A value of up to 8 bytes is written whole. A longer one is written in words of 8 bytes, from
   * the first on, and a BPF program that runs in between can see some words new and others old; a
   * text of up to 7 bytes that replaces another such is still seen whole.
   *
   * @param text at least one byte shorter than the value, in UTF-8, and without NUL
   * @throws UnsupportedOperationException if the value is a struct with a sequence, which a text
   *     would overwrite
   * @throws IllegalArgumentException if the text does not fit, has a NUL, or has half of a
   *     surrogate pair
   */
  public void setString(String text) {
    requireFitting(text, size());
    Utf8.write(text, words());
    Reference.reachabilityFence(this);
  }

  /**
   * Sets the value to as much of a text as fits, from its beginning and in whole characters, as
   * {@link #setString} does otherwise: for labels that come from elsewhere and must not fail what
   * they describe. A NUL ends the text, and half of a surrogate pair becomes U+FFFD. Allocates
   * nothing if the text fits as it is.
   *
   * @param text any text
   * @throws UnsupportedOperationException if the value is a struct with a sequence, which a text
   *     would overwrite
   */
  public void setTruncated(String text) {
    Utf8.write(cut(text, size()), words());
    Reference.reachabilityFence(this);
  }

  /** Checks that a text can be the value. */
  final void requireFitting(String text, long size) {
    requireText(text);
    long length = Utf8.length(text);
    if (length >= size) {
      throw new IllegalArgumentException(
          "the text has "
              + length
              + " bytes in UTF-8, "
              + (size - 1)
              + " fit before the NUL: shorten it, use the form that truncates (setTruncated,"
              + " withTruncated, enterTruncated), or declare a longer value");
    }
  }

  /** {@return what of a text can be the value} */
  final String cut(String text, long size) {
    requireText(text);
    return Utf8.cut(text, size - 1);
  }

  private void requireText(String text) {
    Objects.requireNonNull(text, "text is null: an empty text is \"\"");
    if (sequenced) {
      throw new UnsupportedOperationException(
          "the value is a struct with a sequence, which a text would overwrite: write its members"
              + " with update, or declare an array of bytes for a text");
    }
  }

  /**
   * {@return the value as a text: its bytes up to the first NUL, or all, in UTF-8} Bytes that are
   * not UTF-8 become U+FFFD. A value of up to 8 bytes is read whole, a longer one in words of 8
   * bytes.
   */
  public String getString() {
    String text = Utf8.read(words(), size());
    Reference.reachabilityFence(this);
    return text;
  }
}
