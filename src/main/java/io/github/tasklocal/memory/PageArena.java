// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Allocates whole pages that BPF can be given: private, of no file, never huge, not in child
 * processes, and never freed, since a BPF program may still write to a page when its thread is
 * gone.
 *
 * <p>Until a map is opened they come from the JDK's allocator: linking a native call would cost a
 * program that never opens one tens of milliseconds. What the JDK gave may be something else then
 * ({@code glibc.malloc.hugetlb=2}, another malloc), and is {@link #checkEarly checked} as the first
 * map is opened.
 *
 * <p>Any thread may use it.
 */
@SuppressWarnings("restricted")
final class PageArena implements Arena {

  private final Kernel kernel;

  /** What the JDK gave, until it is checked. */
  private final List<MemorySegment> early = new ArrayList<>();

  private List<MemorySegment> unfit = List.of();

  private boolean checked;

  PageArena(Kernel kernel) {
    this.kernel = kernel;
  }

  /**
   * {@return zeroed pages}
   *
   * @param bytes a multiple of the size of a page
   * @param alignment at most the size of a page
   * @throws OutOfMemoryError if the system gives no memory; a later call may work
   */
  @Override
  public synchronized MemorySegment allocate(long bytes, long alignment) {
    if (bytes % DataPage.SIZE != 0 || alignment > DataPage.SIZE) {
      throw new IllegalArgumentException(
          "whole pages of %d bytes are allocated here, not %d bytes aligned to %d"
              .formatted(DataPage.SIZE, bytes, alignment));
    }
    if (!checked) {
      MemorySegment block = Arena.global().allocate(bytes, DataPage.SIZE);
      early.add(block);
      return block;
    }
    long address = kernel.mapPages(bytes);
    if (address < 0) {
      throw new OutOfMemoryError(
          "mmap of %d bytes failed with errno %d".formatted(bytes, -address));
    }
    return MemorySegment.ofAddress(address).reinterpret(bytes);
  }

  /**
   * Checks what the JDK gave, at the first call; from then on pages are mapped here.
   *
   * @return the blocks that BPF must not be given, at each call
   */
  synchronized List<MemorySegment> checkEarly() {
    if (checked) {
      return unfit;
    }
    List<MemorySegment> wrong = new ArrayList<>();
    for (MemorySegment block : early) {
      if (!kernel.preparePages(block.address(), block.byteSize())) {
        wrong.add(block);
      }
    }
    unfit = wrong;
    early.clear();
    checked = true;
    return wrong;
  }

  /** {@return the scope of memory that is never freed} */
  @Override
  public MemorySegment.Scope scope() {
    return Arena.global().scope();
  }

  /**
   * Not supported.
   *
   * @throws UnsupportedOperationException always
   */
  @Override
  public void close() {
    throw new UnsupportedOperationException("pages are never freed: BPF may still write there");
  }
}
