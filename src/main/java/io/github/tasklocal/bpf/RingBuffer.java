// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import io.github.tasklocal.kernel.LibBpf;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * The records that BPF programs put into a map of {@code BPF_MAP_TYPE_RINGBUF} by {@code
 * bpf_ringbuf_output} or {@code bpf_ringbuf_submit}, in the order in which they were begun.
 *
 * {@snippet :
 * RingBuffer events = object.map("events").ringBuffer();
 * while (running) {
 *   events.consume(event -> print(event.get(JAVA_INT, 0)));
 *   Thread.sleep(50);
 * }
 * }
 *
 * <p>Nothing here waits for records, so programs may pass {@code BPF_RB_NO_WAKEUP} to save the
 * wake-ups. A program that finds no room loses its record and gets an error; it may count these.
 * Reading a record gives its room back, so a map can have only one reader, in one process.
 */
public final class RingBuffer {

  private static final VarHandle POSITION = ValueLayout.JAVA_LONG.varHandle();
  private static final VarHandle LENGTH = ValueLayout.JAVA_INT.varHandle();

  // Documentation/bpf/ringbuf.rst and kernel/bpf/ringbuf.c

  /** The program is still writing the record. */
  private static final int BUSY = 1 << 31;

  /** The program has thrown the record away. */
  private static final int DISCARDED = 1 << 30;

  private static final int HEADER = 8;

  private final BpfObject object;
  private final long mask;
  private final MemorySegment consumer;
  private final MemorySegment producer;
  private final MemorySegment records;
  private boolean consuming;

  /** Under the object's lock. */
  RingBuffer(BpfObject object, MemorySegment map) {
    this.object = object;
    this.mask = LibBpf.maxEntries(map) - 1L;
    this.consumer = LibBpf.ringConsumer(map, object.arena());
    this.producer = LibBpf.ringProducer(map, object.arena());
    this.records = producer.asSlice(producer.byteSize() - 2 * (mask + 1));
  }

  /**
   * Hands out the finished records that were there when this was called, up to the first that a
   * program is still writing, and gives their room back, one by one. Returns at once if there is
   * none. One thread does this at a time; other threads and {@link BpfObject#close} wait for it.
   *
   * <p>Exceptions of the consumer are passed on: its record is gone, those behind it stay.
   *
   * @param record gets each record: a read-only segment aligned to 8 bytes, confined to the calling
   *     thread and valid until the consumer returns
   * @return how many records were handed out; records that a program has discarded do not count
   * @throws IllegalStateException if the object is closed, or the consumer calls this method
   */
  public int consume(Consumer<? super MemorySegment> record) {
    Objects.requireNonNull(record, "record is null: pass what takes a record");
    return object.whileLoaded(() -> consumeAlone(record));
  }

  private synchronized int consumeAlone(Consumer<? super MemorySegment> record) {
    if (consuming) {
      throw new IllegalStateException(
          "a consumer must not call consume: it gets the next record when it returns");
    }
    consuming = true;
    try {
      return consumeAll(record);
    } finally {
      consuming = false;
    }
  }

  private int consumeAll(Consumer<? super MemorySegment> record) {
    long at = (long) POSITION.get(consumer, 0L); // nobody else writes it
    long end = (long) POSITION.getAcquire(producer, 0L);
    int count = 0;
    while (at < end) {
      long header = at & mask;
      int length = (int) LENGTH.getAcquire(records, header);
      if ((length & BUSY) != 0) {
        break;
      }
      int size = length & ~DISCARDED;
      long next = at + (HEADER + size + 7L & -8);
      try (Arena during = Arena.ofConfined()) {
        if ((length & DISCARDED) == 0) {
          count++;
          record.accept(view(header + HEADER, size, during));
        }
      } finally {
        POSITION.setRelease(consumer, 0L, next);
      }
      at = next;
    }
    return count;
  }

  /** A consumer that keeps the segment gets an exception from it, not another record. */
  @SuppressWarnings("restricted")
  private MemorySegment view(long offset, long size, Arena during) {
    return records.asSlice(offset, size).reinterpret(during, null).asReadOnly();
  }
}
