// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * The pages of the threads that Java knows: lists by the last bits of {@link Thread#threadId},
 * changed under the registry's lock, and read without it.
 */
final class ThreadLists {

  /**
   * Those of the process. A constant array costs fewer loads than one that can grow, or that
   * belongs to an object; with 100,000 threads, a list has one or two.
   */
  static final @Nullable ThreadPage[] PROCESS = new ThreadPage[1 << 16];

  private static final VarHandle ELEMENT = MethodHandles.arrayElementVarHandle(ThreadPage[].class);

  private final @Nullable ThreadPage[] lists;

  private ThreadLists(@Nullable ThreadPage[] lists) {
    this.lists = lists;
  }

  /** {@return the lists that {@link #find(Thread)} reads} */
  static ThreadLists ofProcess() {
    return new ThreadLists(PROCESS);
  }

  /** {@return lists of a registry of its own, for a test} */
  static ThreadLists forTest() {
    return new ThreadLists(new ThreadPage[1 << 4]);
  }

  /**
   * {@return the page of the calling thread, or null if it has none}
   *
   * <p>The thread has put its page into the list itself, and it is not taken out as long as the
   * thread lives. So it is found whatever other threads change there.
   */
  static @Nullable ThreadPage find(Thread current) {
    return find(PROCESS, current.threadId());
  }

  /** {@return the page of a thread, or null; under the lock, or for the calling thread} */
  @Nullable ThreadPage find(long threadId) {
    return find(lists, threadId);
  }

  private static @Nullable ThreadPage find(@Nullable ThreadPage[] lists, long threadId) {
    for (ThreadPage page = lists[(int) threadId & (lists.length - 1)];
        page != null;
        page = page.next) {
      if (page.threadId == threadId) {
        return page;
      }
    }
    return null;
  }

  /** Other threads look through the list without the lock: litmus/list.litmus. */
  void add(ThreadPage page) {
    int i = index(page.threadId);
    page.next = lists[i];
    ELEMENT.setRelease(lists, i, page);
  }

  /** A reader who is at the page that is taken out can still go on to those behind it. */
  void remove(long threadId) {
    int i = index(threadId);
    ThreadPage before = null;
    for (ThreadPage page = lists[i]; page != null; before = page, page = page.next) {
      if (page.threadId == threadId) {
        if (before == null) {
          lists[i] = page.next;
        } else {
          before.next = page.next;
        }
        return;
      }
    }
  }

  private int index(long threadId) {
    return (int) threadId & (lists.length - 1);
  }
}
