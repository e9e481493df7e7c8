// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.KernelVersion;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** A map in which this process's threads have entries. Under the one lock, except its state. */
public final class OpenMap {

  /** An address at which no page begins. */
  private static final long NO_PAGE = 8;

  /**
   * What this copy of the library writes into entries. Another copy, in another class loader, has
   * another stamp, and other libraries leave 0.
   */
  private static final int STAMP = ThreadLocalRandom.current().nextInt() | 1;

  private final KernelMap map;
  private final Wire wire;
  private final long metadata;

  /** Freed by the collector, as closing a shared arena takes a handshake with each thread. */
  private final MemorySegment value;

  /** By the kernel's id of the thread. */
  private final Map<Integer, Slot> registered = new HashMap<>();

  /** Threads that should have an entry and have none, in the order in which they failed. */
  private final Map<Slot, KernelException> unregistered = new LinkedHashMap<>();

  /** Threads that have ended only in Java and whose entries could not be taken out, by tid. */
  private final Map<Integer, Slot> stale = new HashMap<>();

  /** What {@link #audit} still has to check in this round. */
  private final ArrayDeque<Slot> unaudited = new ArrayDeque<>();

  private final AtomicReference<@Nullable KernelException> unlogged = new AtomicReference<>();

  private boolean takesOver;

  private volatile int failures;
  private volatile @Nullable KernelException lastFailure;

  /** How many times the process has opened this map. */
  int users = 1;

  OpenMap(KernelMap map, Wire wire, long metadata) {
    this.map = map;
    this.wire = wire;
    this.metadata = metadata;
    this.value = Arena.ofAuto().allocate(wire.valueSize(), Long.BYTES);
  }

  /**
   * Finds out a map's wire from its type, the size of its values and the name of their BTF type.
   *
   * @param map what was opened
   * @param named the wire that the caller names, or null
   * @return the wire
   * @throws WrongObjectException if the map is not a map of task local data, or not of the named
   *     wire
   * @throws NotPermittedException if this process has no right to find out the wire, and the caller
   *     named none
   * @throws NotSupportedException if this machine's page size is not that of the wires
   */
  public static Wire wireOf(KernelMap map, @Nullable Wire named) {
    String subject = map.description();
    requirePageSize(subject, Libc.pageSize());
    return wireOf(subject, map.type(), map.valueSize(), map.name(), named, map.valueType());
  }

  /** Refuses a map into which addresses would be written as numbers. */
  void requireUserPointers() {
    MapValue.write(value, wire, NO_PAGE, NO_PAGE, STAMP);
    value.set(JAVA_LONG, 0, NO_PAGE); // not split into a page and a start
    if (TaskStorage.holdsUserPointers(map, value)) {
      return;
    }
    String problem = "the kernel sees no pointers to user memory (uptr) in its values";
    if (!KernelVersion.RUNNING.atLeast(6, 13)) {
      throw new NotSupportedException(
          "open",
          map.toString(),
          null,
          problem,
          "needs kernel 6.13 or newer; this is " + KernelVersion.RUNNING);
    }
    throw new WrongObjectException(
        "open",
        map.toString(),
        null,
        problem,
        "compile the program with task_local_data.bpf.h of this project, or with a newer clang:"
            + " clang 14 drops the uptrs of other headers");
  }

  static void requirePageSize(String subject, int bytes) {
    if (bytes != DataPage.SIZE) {
      throw new NotSupportedException(
          "open map",
          subject,
          null,
          "pages have " + bytes + " bytes here, the wires' have " + DataPage.SIZE,
          "run a kernel with pages of 4 KiB");
    }
  }

  static Wire wireOf(
      String subject,
      int type,
      int valueSize,
      String name,
      @Nullable Wire named,
      @Nullable String valueType) {
    String struct =
        valueType == null
            ? ""
            : valueType.isEmpty() ? " (no struct)" : " (struct " + valueType + ")";
    String found = "it has type " + type + ", values of " + valueSize + " bytes" + struct;
    if (type != KernelMap.TASK_STORAGE) {
      throw wrong(subject, found + ", no task storage (type " + KernelMap.TASK_STORAGE + ")");
    }
    Wire bySize = null;
    for (Wire wire : Wire.values()) {
      if (wire.valueSize() == valueSize) {
        bySize = wire;
      }
    }
    if (bySize == null) {
      throw wrong(subject, found + "; wires A, B and C have 32, 16 and 24");
    }
    if (named != null && named != bySize) {
      throw wrong(subject, found + "; wire " + named + " has " + named.valueSize());
    }
    if (valueType != null) {
      if (!valueType.equals(bySize.valueType())) {
        throw wrong(subject, found + "; wire " + bySize + " has struct " + bySize.valueType());
      }
      return bySize;
    }
    if (named != null || (bySize != Wire.A && name.equals(bySize.mapName()))) {
      return bySize;
    }
    throw new NotPermittedException(
        "open map",
        subject,
        null,
        found + ", and without CAP_SYS_ADMIN its BTF cannot be read, so that the wire is not known",
        "name it: TaskLocalMap.open(path, Wire." + bySize + ")");
  }

  private static WrongObjectException wrong(String subject, String found) {
    return new WrongObjectException(
        "open map",
        subject,
        null,
        found,
        "open the map task_local_data_map or tld_data_map of a BPF program that reads task local"
            + " data");
  }

  void register(Slot slot) {
    KernelException e = tryToRegister(slot);
    if (e != null) {
      failed(e);
    }
  }

  private @Nullable KernelException tryToRegister(Slot slot) {
    try {
      if (!slot.task.isAlive()) {
        return null;
      }
      takeOutEarlier(slot);
      if (put(slot)) {
        registered.put(slot.task.tid(), slot);
        takenOut(stale.remove(slot.task.tid())); // the new entry has replaced a stale one, if any
      }
      return null;
    } catch (KernelException e) {
      unregistered.put(slot, e);
      return e;
    }
  }

  private boolean put(Slot slot) {
    Task task = slot.task;
    if (task.tid() == 0) {
      throw new NotSupportedException(
          "set the entry of " + task + " in",
          map.toString(),
          null,
          "its kernel task is not known, since /proc could not be read when it first used a key",
          "mount procfs at /proc");
    }
    slot.shared = true;
    MapValue.write(value, wire, slot.page.address(), metadata, STAMP);
    return TaskStorage.put(map, task, value, takesOver || stale.containsKey(task.tid()));
  }

  private boolean isOurs() {
    return MapValue.hasStamp(value, wire, STAMP);
  }

  /** A native thread that attaches to the JVM again is a new Thread on the same kernel task. */
  private void takeOutEarlier(Slot slot) {
    Slot earlier = registered.get(slot.task.tid());
    if (earlier != null && earlier != slot) {
      forget(earlier);
    }
  }

  /**
   * Takes out the entry that an ended thread may have left. Most often the kernel has done so, but
   * a task can outlive its Java thread: that of main waits for the JVM to end, and a native thread
   * detaches.
   */
  void forget(Slot slot) {
    unregistered.remove(slot);
    if (registered.remove(slot.task.tid(), slot) && !takeOut(slot)) {
      takenOut(stale.put(slot.task.tid(), slot));
      slot.left++;
    }
  }

  /** The entry that an ended thread had left in the map is gone. */
  private static void takenOut(@Nullable Slot slot) {
    if (slot != null) {
      slot.left--;
      ThreadPages.takenOut(slot);
    }
  }

  private boolean takeOut(Slot slot) {
    try {
      if (wire == Wire.B || (TaskStorage.get(map, slot.task, value) && isOurs())) {
        TaskStorage.remove(map, slot.task);
      }
      return true;
    } catch (KernelException e) {
      failed(e);
      return false;
    }
  }

  /**
   * Tries failed registrations and removals again, the oldest first.
   *
   * @param most how many to try
   */
  void retry(int most) {
    for (Slot slot : unregistered.keySet().stream().limit(most).toList()) {
      unregistered.remove(slot);
      KernelException e = tryToRegister(slot);
      if (e != null) {
        lastFailure = e;
      }
    }
    for (Slot slot : stale.values().stream().limit(most).toList()) {
      if (takeOut(slot)) {
        takenOut(stale.remove(slot.task.tid()));
      }
    }
  }

  /**
   * Checks that entries are still there and ours, some at each call and all in rotation. A deleted
   * entry is set again; one that is somebody else's by now is reported.
   *
   * @param most how many to look at
   */
  void audit(int most) {
    if (unaudited.isEmpty()) {
      unaudited.addAll(registered.values());
    }
    for (int i = 0; i < most && !unaudited.isEmpty(); i++) {
      Slot slot = unaudited.remove();
      if (registered.get(slot.task.tid()) == slot) {
        try {
          audit(slot);
        } catch (KernelException e) {
          return; // for instance no descriptor is left: nothing is known to be wrong
        }
      }
    }
  }

  private void audit(Slot slot) {
    boolean there = TaskStorage.get(map, slot.task, value);
    if (there && isOurs()) {
      return;
    }
    if (!slot.task.isAlive()) {
      return;
    }
    registered.remove(slot.task.tid());
    if (there) {
      KernelException replaced = TaskStorage.replaced(map, slot.task);
      unregistered.put(slot, replaced);
      failed(replaced);
    } else {
      register(slot);
      failed(TaskStorage.vanished(map, slot.task)); // after it was set again, as this says
    }
  }

  /** Chooses whether to replace entries that somebody else made. */
  void takeOver(boolean takeOver) {
    takesOver = takeOver;
    if (takeOver) {
      retry(Integer.MAX_VALUE);
    }
  }

  private void failed(KernelException e) {
    lastFailure = e;
    int count = failures;
    failures = count + 1;
    if (count == 0) {
      unlogged.set(e);
    }
  }

  /** Logs the first failure, once. Not under the lock, since a log handler is foreign code. */
  public void log() {
    KernelException e = unlogged.getAndSet(null);
    if (e != null
        && !Log.warn(
            e.getMessage()
                + ". The thread goes on with plain memory, and registration is tried again;"
                + " further failures of this map are counted, not logged.",
            null)) {
      unlogged.compareAndSet(null, e); // until the log works
    }
  }

  void close() {
    for (Slot slot : registered.values()) {
      if (!takeOut(slot)) {
        slot.left++; // for ever: nobody tries again
      }
    }
    registered.clear();
    unregistered.clear();
    stale.clear();
    unaudited.clear();
    map.close();
  }

  /** {@return the kernel's id of the map} */
  public int id() {
    return map.id();
  }

  /** {@return the map's wire} */
  public Wire wire() {
    return wire;
  }

  /** {@return how many threads have an entry} */
  int threads() {
    return registered.size();
  }

  /** {@return the threads that should have an entry and have none, with the reason} */
  Map<Task, KernelException> unregistered() {
    Map<Task, KernelException> copy = new LinkedHashMap<>();
    unregistered.forEach((slot, reason) -> copy.put(slot.task, reason));
    return copy;
  }

  /** {@return how many registrations have failed} */
  public int failures() {
    return failures;
  }

  /** {@return the last failure, or null} */
  public @Nullable KernelException lastFailure() {
    return lastFailure;
  }

  @Override
  public String toString() {
    return map.toString();
  }
}
