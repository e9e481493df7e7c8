// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.KernelException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The calls that are needed to give threads pages and to register them with maps, so that a test
 * can let any of them fail. Unless a method says otherwise, it returns a negative errno if the
 * kernel refuses.
 */
public interface Kernel {

  /** {@return the kernel's id of the calling thread, or 0 if it is not known} */
  int currentTid();

  /** {@return the thread of this process that has a tid now, or null if that is not known} */
  @Nullable Task task(int tid);

  /**
   * {@return whether a thread has not ended}
   *
   * @throws KernelException if that cannot be determined
   */
  boolean isAlive(Task task);

  /**
   * Opens a pinned map.
   *
   * @throws KernelException as {@link KernelMap#open}
   */
  KernelMap open(Path pin);

  /** {@return a descriptor of one thread of this process, for {@link #close}} */
  int pidfd(int tid);

  /** Sets the entry of a task, which a pidfd names; returns 0. */
  int update(int map, int pidfd, MemorySegment value, long flags);

  /** Reads the entry of a task into a segment; returns 0. */
  int lookUp(int map, int pidfd, MemorySegment value);

  /** Deletes the entry of a task; returns 0. */
  int delete(int map, int pidfd);

  /** Prepares what later calls need, which may take some time. Under no lock. */
  default void link() {}

  /** Closes a descriptor. */
  void close(int fd);

  /**
   * Maps fresh pages: private, of no file, never huge, and not in child processes.
   *
   * @return the address of the first
   */
  long mapPages(long bytes);

  /**
   * {@return those of some blocks of the process's memory that are not as {@link #mapPages} would
   * map them} The others are never huge and not in child processes from now on. Reads the list of
   * all mappings, once, which has a line or two for each thread.
   *
   * @param blocks an address and a size in bytes for each
   * @throws KernelException if that cannot be determined
   */
  List<long[]> preparePages(List<long[]> blocks);

  /**
   * Asks for the frames behind private memory to be replaced by zeroed ones.
   *
   * @return 0, whether or not they were: on memory that is shared or huge nothing happens;
   *     something negative if the kernel refuses
   */
  int dropFrames(long address, long bytes);

  /**
   * {@return a connection to a serving side, for {@link #close}} No call on it waits longer than a
   * limit.
   *
   * @param most the limit in milliseconds, above 0
   */
  int connect(Path socket, long most);

  /** Changes the limit of a connection; returns 0. */
  int limit(int connection, long most);

  /** Sends a message, and its descriptor if it has one; returns 0. */
  int send(int connection, Message message);

  /**
   * {@return the next message, with its descriptor, which the caller closes; of kind 0 if there is
   * none, with the reason as status: EAGAIN if none has come in time, EPIPE after the last one}
   *
   * @param waits whether to wait for one, as long as the limit
   */
  Message receive(int connection, boolean waits);

  /** {@return 0 if there is room for a descriptor that comes with a message} */
  int spare();

  /** {@return whether nobody is at the other end of a connection any more} */
  boolean isOver(int connection);

  /**
   * Maps the memory of an array that a serving side has given, which is not in child processes.
   *
   * @param at addresses that were {@linkplain #vacate vacated}; 0 for any. If it fails, they may be
   *     free for anybody
   * @return the address
   */
  long mapArray(int fd, long bytes, long at);

  /**
   * Gives the memory of an array back. Its addresses stay taken, and lead to zeroes that are
   * nobody's; if it is refused, they may be free for anybody.
   */
  int vacate(long address, long bytes);

  /** Asks the serving side's hook to register the calling thread; its page tells the answer. */
  void registerThread(long token, long array, long pageAndStart);

  /** Waits until no processor runs what it ran at the time of the call; returns 0. */
  int barrier();
}
