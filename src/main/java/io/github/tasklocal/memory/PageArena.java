// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.KernelPage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Allocates whole pages that BPF can be given: private, of no file, never huge, not in child
 * processes, and never freed, since a BPF program may still write to a page when its thread is
 * gone.
 *
 * <p>Until a map is opened they come from the JDK's allocator: linking a native call would cost a
 * program that never opens one tens of milliseconds. What the JDK gave may be something else then
 * ({@code glibc.malloc.hugetlb=2}, another malloc), and is checked as the first map is opened
 * ({@link UnfitPages}).
 *
 * <p>Under the registry's lock.
 */
final class PageArena implements Arena {

  private final Kernel kernel;
  private final SharedData data;

  PageArena(Kernel kernel, SharedData data) {
    this.kernel = kernel;
    this.data = data;
  }

  /**
   * {@return zeroed pages}
   *
   * @param bytes a multiple of the size of the kernel's pages
   * @param alignment at most that size
   * @throws OutOfMemoryError if the system gives no memory; a later call may work
   */
  @Override
  public MemorySegment allocate(long bytes, long alignment) {
    if (bytes % KernelPage.BYTES != 0 || alignment > KernelPage.BYTES) {
      throw new IllegalArgumentException(
          "whole pages of %d bytes are allocated here, not %d bytes aligned to %d"
              .formatted(KernelPage.BYTES, bytes, alignment));
    }
    if (data.numbers[SharedData.MAPPED] == 0) {
      MemorySegment block = Arena.global().allocate(bytes, KernelPage.BYTES);
      data.early.add(new long[] {block.address(), bytes});
      return block;
    }
    long address = kernel.mapPages(bytes);
    if (address < 0) {
      throw new OutOfMemoryError(
          "mmap of %d bytes failed with errno %d".formatted(bytes, -address));
    }
    return Memory.ALL.asSlice(address, bytes);
  }

  /**
   * {@return what the JDK gave, of which nobody knows yet whether BPF may be given it} From now on
   * pages are mapped here.
   */
  List<long[]> early() {
    data.numbers[SharedData.MAPPED] = 1;
    return List.copyOf(data.early);
  }

  /** All that the JDK gave is known to be right, but for some, which are abandoned. */
  void checked(List<long[]> wrong) {
    data.abandoned.addAll(wrong);
    data.early.clear();
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
