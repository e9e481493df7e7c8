// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.memory.OpenMap;
import io.github.tasklocal.memory.ThreadPages;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A BPF map through which the values of this process's threads are shared with whoever reads it.
 *
 * <p>Opening a map registers every live thread that has used a key, and from then on each new
 * thread at its first use of one. Closing it takes the entries of this process out. A registration
 * costs a pidfd and a map update; it pins the thread's page and the page of keys until the entry is
 * gone.
 *
 * <p>A thread whose registration fails goes on with plain memory: see {@link #failures} and {@link
 * #lastFailure}. The first failure of a map is also logged, by {@code io.github.tasklocal} at level
 * warning. An entry that something else made for a thread is never replaced; that is such a
 * failure, an {@link EntryExistsException}.
 *
 * <p>Opening the same map twice gives two objects for one registration, which ends with the second
 * {@link #close}.
 *
 * <p>Whoever can write the map can set any thread's entry, and what a BPF program writes to values
 * is as trusted as the program.
 */
public final class TaskLocalMap implements AutoCloseable {

  private final OpenMap map;
  private final AtomicBoolean closed = new AtomicBoolean();

  private TaskLocalMap(OpenMap map) {
    this.map = map;
  }

  /**
   * Opens a pinned map, and tells its wire by itself.
   *
   * @param pin the map's file in a bpffs, such as {@code /sys/fs/bpf/task_local_data_map}
   * @return the open map
   * @throws NotFoundException if there is no such file
   * @throws WrongObjectException if the file is no pinned map of task local data
   * @throws NotPermittedException if this process may not open the file, or may not know the wire,
   *     which is then to be named: {@link #open(Path, Wire)}
   * @throws NotSupportedException if this is no Linux, or libbpf or the kernel lack what it takes
   * @throws KernelException if the kernel refuses for another reason
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static TaskLocalMap open(Path pin) {
    return openPin(pin, null);
  }

  /**
   * Opens a pinned map whose wire the caller knows: for a process that may not read the map's BTF
   * (that takes CAP_SYS_ADMIN), where size and name do not decide.
   *
   * @param pin the map's file in a bpffs
   * @param wire how the map's values look; checked against their size, and against their BTF where
   *     it can be read
   * @return the open map
   * @throws NotFoundException if there is no such file
   * @throws WrongObjectException if the file is no pinned map of that wire
   * @throws NotPermittedException if this process may not open the file
   * @throws NotSupportedException if this is no Linux, or libbpf or the kernel lack what it takes
   * @throws KernelException if the kernel refuses for another reason
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static TaskLocalMap open(Path pin, Wire wire) {
    return openPin(pin, Objects.requireNonNull(wire, "wire is null: name Wire.A, B or C"));
  }

  /**
   * Opens a map that the process already holds, and tells its wire by itself.
   *
   * @param fd the map's descriptor; it is duplicated and stays the caller's
   * @return the open map
   * @throws WrongObjectException if the descriptor is closed, or is no map of task local data
   * @throws NotPermittedException if the descriptor was opened for reading alone, or this process
   *     may not know the wire, which is then to be named: {@link #of(int, Wire)}
   * @throws NotSupportedException if this is no Linux, or libbpf or the kernel lack what it takes
   * @throws KernelException if the kernel refuses for another reason
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static TaskLocalMap of(int fd) {
    return openFd(fd, null);
  }

  /**
   * Opens a map that the process already holds and whose wire the caller knows.
   *
   * @param fd the map's descriptor; it is duplicated and stays the caller's
   * @param wire how the map's values look; checked against their size, and against their BTF where
   *     it can be read
   * @return the open map
   * @throws WrongObjectException if the descriptor is closed, or is no map of that wire
   * @throws NotPermittedException if the descriptor was opened for reading alone
   * @throws NotSupportedException if this is no Linux, or libbpf or the kernel lack what it takes
   * @throws KernelException if the kernel refuses for another reason
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static TaskLocalMap of(int fd, Wire wire) {
    return openFd(fd, Objects.requireNonNull(wire, "wire is null: name Wire.A, B or C"));
  }

  private static TaskLocalMap openPin(Path pin, @Nullable Wire wire) {
    Objects.requireNonNull(pin, "pin is null: name the map's file in a bpffs");
    return open(KernelMap.open(pin), wire);
  }

  private static TaskLocalMap openFd(int fd, @Nullable Wire wire) {
    return open(KernelMap.duplicate(fd), wire);
  }

  private static TaskLocalMap open(KernelMap map, @Nullable Wire named) {
    Wire wire;
    try {
      wire = OpenMap.wireOf(map, named);
    } catch (RuntimeException e) {
      map.close();
      throw e;
    }
    return new TaskLocalMap(ThreadPages.open(map, wire));
  }

  /** {@return the wire on which this map is served} */
  public Wire wire() {
    return map.wire();
  }

  /** {@return the kernel's id of the map} */
  public int id() {
    return map.id();
  }

  /** {@return how many threads are registered} Ended ones count until their page is taken back. */
  public int threads() {
    return map.threads();
  }

  /** {@return how many registrations have failed since the map was opened} */
  public int failures() {
    return map.failures();
  }

  /** {@return why the last failed registration did} */
  public Optional<KernelException> lastFailure() {
    return Optional.ofNullable(map.lastFailure());
  }

  /**
   * Takes the entries of this process's threads out of the map. Values stay, and keep working as
   * plain memory. A second call does nothing.
   */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      ThreadPages.close(map);
    }
  }

  @Override
  public String toString() {
    return "TaskLocalMap[wire " + map.wire() + ", " + map + ", " + map.threads() + " threads]";
  }
}
