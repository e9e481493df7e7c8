// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.error.EntryExistsException;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NativeAccessException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kernel.ServingSide;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Agent;
import io.github.tasklocal.memory.Log;
import io.github.tasklocal.memory.MapWire;
import io.github.tasklocal.memory.Maps;
import io.github.tasklocal.memory.OpenMap;
import io.github.tasklocal.memory.PinFile;
import io.github.tasklocal.memory.ThreadPages;
import io.github.tasklocal.memory.VirtualThreads;
import io.github.tasklocal.memory.Watch;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A BPF map that shares the values of this process's threads with BPF programs; or the side that
 * serves this process, where the process may not open a map itself.
 *
 * <p>Opening a map registers every live thread that has used a key, and from then on each new
 * thread at its first use of one. Closing it takes this process's entries out. A registration costs
 * a pidfd and a map update; it pins the thread's page and the page of keys until the entry is gone.
 * Several maps can be open at once, of any wires; each thread's one page serves all of them.
 *
 * <p>{@link #watch} waits for a map and follows its pin, so that the process that reads the values
 * may start later, end, and start again:
 *
 * {@snippet :
 * TaskLocalMap map = TaskLocalMap.watch(Path.of("/sys/fs/bpf/task_local_data_map"));
 * map.addListener(
 *     state -> {
 *       switch (state) {
 *         case TaskLocalMap.Attached a -> log("shared through map " + a.id());
 *         case TaskLocalMap.Served s -> log("shared through " + s.socket());
 *         case TaskLocalMap.Waiting w -> log("nobody listens " + w.problem());
 *         case TaskLocalMap.Closed c -> {}
 *       }
 *     });
 * }
 *
 * <p><b>A serving side</b> ({@code tasklocal-tools.jar serve}) shares values of processes that have
 * no privilege, may not call bpf(2), or run on a kernel without pointers to user memory. Each
 * method that takes a pin takes its socket, too. It gives this process pages of its own, and
 * registers its threads: no system call more than at a thread's first use of a key. A thread that
 * had its values before the connection moves them to such a page itself, at its next use of a key
 * ({@link Served#waiting}); one whose page something holds (a {@code Bound}, a segment) cannot, and
 * is {@linkplain #unregistered listed} with the reason. To connect before the first key, start Java
 * with {@code -Dtasklocal.map=SOCKET}. While the serving side is away, entries and values stay in
 * the kernel, and the next one goes on with them. If it hangs, no thread waits for it longer than
 * half a second. The connection belongs to the process and stays when a map is closed.
 *
 * <p>The kernel shares these pages for good. So the page of a thread that has ended serves another
 * only after all processors have left what they ran (membarrier(2)) and ten seconds have passed. A
 * BPF program that sleeps longer, or holds the ended thread's task, can then still reach it.
 *
 * <p><b>Without a line of code.</b> Started with {@code -Dtasklocal.map=PATH}, Java watches that
 * pin or socket from the process's first key on, for as long as the classes are in use; so does
 * {@code -javaagent:tasklocal.jar=PATH}. {@code -Dtasklocal.map=default} means {@link
 * #defaultSocket}, or {@link #defaultPin} if nobody listens there, where the project's tools pin a
 * map of wire C. {@code -Dtasklocal.map.wire=A}, B or C names the wire where the process has no
 * right to find it out. If the pin cannot be watched, the reason is logged, and the keys work as
 * without a map. The application may open the same map as well.
 *
 * <p>A thread whose registration fails goes on with plain memory, and registration is tried again
 * every second: see {@link #unregistered}, {@link #failures} and {@link #lastFailure}. The first
 * failure of a map is also logged, by {@code io.github.tasklocal} at level warning.
 *
 * <p><b>Several applications in one process</b>, each with a copy of this library in a class loader
 * of its own, share keys, pages and maps: equal keys are one value, whichever copy opens a map
 * shares the values of all, and entries stay until the last one has closed it. A map that is still
 * open as its copy's classes are unloaded is closed when another copy opens a map or has one open.
 *
 * <p><b>Somebody else's entry.</b> A native library with the kernel's C header may register the
 * same threads. By default its entry is left alone, and the registration fails with an {@link
 * EntryExistsException}; {@link #foreignEntries} can change that. If it comes later and replaces or
 * deletes our entries, that is noticed too: each second some entries are checked, all in rotation.
 * A deleted entry is set again; a replaced one is reported. On wire B, which has no room for a mark
 * of ours, only deletion can be noticed.
 *
 * <p>While any map is open or watched, a daemon thread called {@code tasklocal-keeper} does this
 * work. It wakes once a second, and ten times a second if there is a pin to watch. What it has to
 * report to listeners and to the log is said by short daemon threads called {@code
 * tasklocal-reporter}, so that code which blocks or fails there stops nothing.
 *
 * <p>Opening the same map twice gives two objects for one registration, which ends with the second
 * {@link #close}.
 *
 * <p>Whoever can write the map can set any thread's entry, and a value that a BPF program writes is
 * as trustworthy as the program. All methods may be called by any thread.
 */
public final class TaskLocalMap implements AutoCloseable {

  /**
   * Names the pin or socket to watch from the first key on; with {@code .wire} appended, its wire.
   */
  static final String PROPERTY = Agent.MAP;

  private static final AtomicBoolean WATCHES_NAMED = new AtomicBoolean();

  /** The state of a map. */
  public sealed interface State permits Waiting, Shared, Closed {}

  /** Values are shared: through a map, or through the side that serves this process. */
  public sealed interface Shared extends State permits Attached, Served {

    /** {@return how many live threads of this process have an entry} */
    int threads();

    /** {@return how many should have one and do not} */
    int unregistered();

    /**
     * {@return how many virtual threads have used a key since the process began, whose values BPF
     * does not see} One that first uses a key while it is pinned to its carrier counts only if it
     * is still not shown after that.
     */
    long unseen();
  }

  /**
   * There is no map that can be opened.
   *
   * @param problem why what lies at the pin cannot be opened, or why no pin can be there; empty if
   *     one may come
   */
  public record Waiting(Optional<KernelException> problem) implements State {}

  /**
   * The map is open.
   *
   * @param id the kernel's id of the map
   * @param wire the map's wire
   * @param threads how many live threads of this process have an entry
   * @param unregistered how many should have one and do not
   * @param unseen how many virtual threads have used a key since the process began, whose values
   *     BPF does not see
   */
  public record Attached(int id, Wire wire, int threads, int unregistered, long unseen)
      implements Shared {}

  /**
   * The process is connected to a serving side.
   *
   * @param socket where it listens
   * @param threads how many live threads of this process have an entry
   * @param waiting how many had their values before the connection, and move them to where BPF sees
   *     them at their next use of a key; one that uses none any more stays unseen
   * @param unregistered how many others should have one and do not
   * @param unseen how many virtual threads have used a key since the process began, whose values
   *     BPF does not see
   */
  public record Served(Path socket, int threads, int waiting, int unregistered, long unseen)
      implements Shared {}

  /** This object was closed. */
  public record Closed() implements State {}

  /** What to do with an entry of a thread of this process that this library did not make. */
  public enum ForeignEntries {
    /** Leave it; the thread's values are not shared through this map, which is reported. */
    LEAVE,
    /** Replace it; whoever made it does not notice, unless it checks, as this library does. */
    TAKE_OVER
  }

  /**
   * A thread that should have an entry and has none of ours.
   *
   * @param tid the kernel's id of the thread
   * @param thread its name
   * @param reason why it has none
   */
  public record Unregistered(int tid, String thread, KernelException reason) {}

  private static final Maps MAPS = ThreadPages.REGISTRY.maps();

  /** The map, or the watch of a pin where a map may come and go; one of them is null. */
  private final @Nullable OpenMap fixed;

  private final @Nullable Watch watch;

  private final AtomicBoolean closed = new AtomicBoolean();
  private final List<Consumer<? super State>> listeners = new CopyOnWriteArrayList<>();

  /** Calls of listeners in a queue, so that each listener sees the changes in order. */
  private final Queue<Runnable> calls = new ConcurrentLinkedQueue<>();

  private final AtomicInteger pendingCalls = new AtomicInteger();

  private TaskLocalMap(OpenMap map) {
    this.fixed = map;
    this.watch = null;
    VirtualThreads.opened();
  }

  private TaskLocalMap(List<Path> paths, @Nullable Wire wire) {
    this.fixed = null;
    this.watch = new Watch(MAPS, paths, wire, this::changed);
    VirtualThreads.opened();
  }

  /**
   * {@return where the project's tools pin a map for everybody, {@code
   * /sys/fs/bpf/tasklocal/tld_data_map}} It is of wire C, which a process without any privilege can
   * recognise; the pin's owner, group and mode say who may open it. A map need not be there.
   */
  public static Path defaultPin() {
    return Path.of("/sys/fs/bpf/tasklocal/" + Wire.C.mapName());
  }

  /**
   * {@return where the project's {@code serve} listens for processes, {@code
   * /run/tasklocal/tasklocal.sock}} The folder can be mounted into a container.
   */
  public static Path defaultSocket() {
    return Path.of("/run/tasklocal/tasklocal.sock");
  }

  /**
   * Opens a pinned map, and finds out its wire; or connects to a serving side, and again when it is
   * started anew.
   *
   * @param pin the map's file in a bpffs, such as {@code /sys/fs/bpf/task_local_data_map}; or a
   *     serving side's socket, which takes no libbpf
   * @return the open map
   * @throws NotFoundException if there is no such file
   * @throws WrongObjectException if the file is no pinned map of task local data
   * @throws NotPermittedException if this process may not open the file, or has no right to find
   *     out the wire: then name it with {@link #open(Path, Wire)}
   * @throws NotSupportedException if this is not Linux, or libbpf or the kernel lacks a needed
   *     feature
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
   * @param wire the map's wire; checked against the size of its values, and against its BTF where
   *     that can be read
   * @return the open map
   * @throws NotFoundException if there is no such file
   * @throws WrongObjectException if the file is no pinned map of that wire
   * @throws NotPermittedException if this process may not open the file
   * @throws NotSupportedException if this is not Linux, or libbpf or the kernel lacks a needed
   *     feature
   * @throws KernelException if the kernel refuses for another reason
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static TaskLocalMap open(Path pin, Wire wire) {
    return openPin(pin, Objects.requireNonNull(wire, "wire is null: name Wire.A, B or C"));
  }

  /**
   * Opens a map of which the process has a descriptor, and finds out its wire.
   *
   * @param fd the map's descriptor; it is duplicated and stays the caller's
   * @return the open map
   * @throws WrongObjectException if the descriptor is closed, or is not a map of task local data
   * @throws NotPermittedException if the descriptor is read-only, or this process has no right to
   *     find out the wire: then name it with {@link #of(int, Wire)}
   * @throws NotSupportedException if this is not Linux, or libbpf or the kernel lacks a needed
   *     feature
   * @throws KernelException if the kernel refuses for another reason
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static TaskLocalMap of(int fd) {
    return openFd(fd, null);
  }

  /**
   * Opens a map of which the process has a descriptor, and whose wire the caller knows.
   *
   * @param fd the map's descriptor; it is duplicated and stays the caller's
   * @param wire the map's wire; checked against the size of its values, and against its BTF where
   *     that can be read
   * @return the open map
   * @throws WrongObjectException if the descriptor is closed, or is not a map of that wire
   * @throws NotPermittedException if the descriptor is read-only
   * @throws NotSupportedException if this is not Linux, or libbpf or the kernel lacks a needed
   *     feature
   * @throws KernelException if the kernel refuses for another reason
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static TaskLocalMap of(int fd, Wire wire) {
    return openFd(fd, Objects.requireNonNull(wire, "wire is null: name Wire.A, B or C"));
  }

  /**
   * Opens the map that is pinned at a path, waits for it if it is not there, and follows the pin.
   * When the pin is removed, the map is closed; when another map is pinned there, that one is
   * opened instead, and every live thread is registered with it within a second. Only then are the
   * entries in the old map taken out. No value is lost meanwhile, since values lie in the threads'
   * own pages. If the map cannot be opened, the reason is reported ({@link #state}) and logged, and
   * opening it is tried again. So is what keeps a map from ever coming: no bpffs at the path, a
   * name that no pin can have, a file that is mounted here (into a container) and was removed by
   * its owner, whose new pin can be seen only where the folder is mounted. A path at which there is
   * nothing for ten seconds is logged once.
   *
   * <p>A socket is followed in the same way: when the serving side ends, the state is {@link
   * Waiting}, and its entries stay as they are; when another one listens there, the process goes on
   * with it. A path whose name has a dot, and that is not on a bpffs, is taken for a socket's
   * before there is one.
   *
   * @param pin the map's file in a bpffs, or a socket, now or later
   * @return the map, attached if it could be opened at once
   * @throws NotSupportedException if this is not Linux, or there is no libbpf and the path is no
   *     socket's
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static TaskLocalMap watch(Path pin) {
    return watchPin(pin, null);
  }

  /**
   * Watches for a map whose wire the caller knows: see {@link #watch(Path)} and {@link #open(Path,
   * Wire)}.
   *
   * @param pin the map's file in a bpffs, now or later
   * @param wire the map's wire
   * @return the map, attached if it could be opened at once
   * @throws NotSupportedException if this is not Linux, or there is no libbpf
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static TaskLocalMap watch(Path pin, Wire wire) {
    return watchPin(pin, Objects.requireNonNull(wire, "wire is null: name Wire.A, B or C"));
  }

  /** Watches the pin that the property names, at the first call. */
  static void watchNamed() {
    if (!WATCHES_NAMED.compareAndSet(false, true)) {
      return; // not in a static initializer: its lock would be held while a log handler runs
    }
    String pin = System.getProperty(PROPERTY, "");
    String wire = System.getProperty(PROPERTY + ".wire");
    try {
      boolean isDefault = pin.equals("default");
      Path path = isDefault ? defaultSocket() : Path.of(pin);
      if (!path.isAbsolute()) {
        throw new IllegalArgumentException("it is neither \"default\" nor an absolute path");
      }
      if (wire != null && !wire.matches("[ABC]")) {
        throw new IllegalArgumentException(
            "-D%s.wire is \"%s\", and has to be A, B or C".formatted(PROPERTY, wire));
      }
      TaskLocalMap ignored =
          watchAny(
              isDefault ? List.of(path, defaultPin()) : List.of(path),
              wire == null ? null : Wire.valueOf(wire));
    } catch (RuntimeException | Error e) { // an application never fails for being observed
      WATCHES_NAMED.set(e instanceof RuntimeException); // otherwise the next key tries again
      boolean ignored =
          Log.warn(
              "-D%s=%s is ignored, and values are plain memory of their threads: %s"
                  .formatted(PROPERTY, pin, e.getMessage()),
              null);
    }
  }

  private static TaskLocalMap watchPin(Path pin, @Nullable Wire wire) {
    return watchAny(
        List.of(Objects.requireNonNull(pin, "pin is null: name a file in a bpffs, or a socket")),
        wire);
  }

  private static TaskLocalMap watchAny(List<Path> paths, @Nullable Wire wire) {
    Path first = paths.getFirst();
    if (PinFile.mayBeSocket(first)) {
      ServingSide.require("watch", first.toString());
    } else {
      LibBpf.require("watch", first.toString());
    }
    TaskLocalMap map = new TaskLocalMap(paths, wire);
    if (map.watch != null) {
      map.watch.start();
    }
    return map;
  }

  private static TaskLocalMap openPin(Path pin, @Nullable Wire wire) {
    Objects.requireNonNull(pin, "pin is null: name a file in a bpffs, or a socket");
    return PinFile.isSocket(pin) ? openSocket(pin) : open(KernelMap.open(pin), wire);
  }

  /** Follows the socket, too: the serving side may be started anew. */
  private static TaskLocalMap openSocket(Path socket) {
    TaskLocalMap map = watchPin(socket, null);
    KernelException problem = map.watch == null ? null : map.watch.problem();
    if (map.attached() == null && problem != null) {
      map.close();
      throw problem;
    }
    return map;
  }

  private static TaskLocalMap openFd(int fd, @Nullable Wire wire) {
    return open(KernelMap.duplicate(fd), wire);
  }

  private static TaskLocalMap open(KernelMap map, @Nullable Wire named) {
    Wire wire;
    boolean isKnown = false;
    try {
      wire = MapWire.of(map, named);
      isKnown = true;
    } finally {
      if (!isKnown) {
        map.close();
      }
    }
    OpenMap open = MAPS.open(map, wire, false);
    MAPS.keep();
    open.log();
    return new TaskLocalMap(open);
  }

  /** {@return the map that is open, or the last one if this is closed; null while waiting} */
  private @Nullable OpenMap attached() {
    return watch == null ? fixed : watch.map();
  }

  private static Wire wireOf(OpenMap map) {
    Wire wire = map.wire();
    if (wire == null) {
      throw new IllegalStateException(
          map + ": it has no wire and no id, as it serves programs of all wires");
    }
    return wire;
  }

  private OpenMap requireAttached() {
    OpenMap map = attached();
    if (map == null) {
      throw new IllegalStateException(
          watch + ": no map is attached; ask state() first, or add a listener");
    }
    return map;
  }

  /**
   * {@return the map's wire}
   *
   * @throws IllegalStateException if a watched map is not there, or the process is served through a
   *     socket
   */
  public Wire wire() {
    return wireOf(requireAttached());
  }

  /**
   * {@return the kernel's id of the map}
   *
   * @throws IllegalStateException if a watched map is not there, or the process is served through a
   *     socket
   */
  public int id() {
    OpenMap map = requireAttached();
    Wire ignored = wireOf(map);
    return map.id();
  }

  /** {@return how many live threads have an entry in the map; 0 while there is none} */
  public int threads() {
    OpenMap map = attached();
    return map == null ? 0 : MAPS.registrations().threads(map);
  }

  /**
   * {@return the live threads that should have an entry of ours in the map and have none} Their
   * registration is tried again every second.
   */
  public List<Unregistered> unregistered() {
    OpenMap map = attached();
    return map == null
        ? List.of()
        : MAPS.registrations().unregistered(map).entrySet().stream()
            .map(
                each ->
                    new Unregistered(each.getKey().tid(), each.getKey().name(), each.getValue()))
            .toList();
  }

  /**
   * {@return how many registrations and removals of entries have failed, and how many entries were
   * found changed, since the map was opened} A registration that fails repeatedly is counted once.
   */
  public int failures() {
    OpenMap map = attached();
    return map == null ? 0 : map.failures();
  }

  /**
   * {@return why the last failed registration failed, or why a watched map cannot be opened} Empty
   * if nothing has failed since the map was opened.
   */
  public Optional<KernelException> lastFailure() {
    OpenMap map = attached();
    if (map != null) {
      return Optional.ofNullable(map.lastFailure());
    }
    return watch == null ? Optional.empty() : Optional.ofNullable(watch.problem());
  }

  /** {@return the present state of the map} */
  public State state() {
    if (closed.get()) {
      return new Closed();
    }
    OpenMap map = attached();
    if (map == null) {
      return new Waiting(lastFailure());
    }
    int unregistered = MAPS.registrations().unregistered(map).size();
    Wire wire = map.wire();
    if (wire != null) {
      return new Attached(map.id(), wire, threads(), unregistered, VirtualThreads.unseen());
    }
    int waiting = MAPS.registrations().waiting(map);
    return new Served(
        Path.of(map.socket()),
        threads(),
        waiting,
        Math.max(0, unregistered - waiting),
        VirtualThreads.unseen());
  }

  /**
   * Calls a listener with the present state, at once unless other calls are under way, and again
   * after each change: a map was attached, was lost or cannot be opened, or this object was closed.
   * Threads that come and go are not changes. Calls come one at a time, from this thread, that of
   * {@link #close}, or one of the library's own that does nothing else: a listener that takes long
   * delays only what follows for this object. Each call gets the state at the time of the call, so
   * that a late call may miss earlier states; no call follows {@link Closed}. Exceptions of a
   * listener are logged and do no harm.
   *
   * @param listener what to call
   */
  public void addListener(Consumer<? super State> listener) {
    Objects.requireNonNull(listener, "listener is null: pass what to call with the state");
    listeners.add(listener);
    inTurn(() -> tell(List.of(listener)));
  }

  /**
   * Removes a listener.
   *
   * @param listener one that was added; nothing happens if it was not
   */
  public void removeListener(Consumer<? super State> listener) {
    listeners.remove(Objects.requireNonNull(listener, "listener is null: name one that was added"));
  }

  private void changed() {
    inTurn(() -> tell(listeners));
  }

  private void inTurn(Runnable call) {
    calls.add(call);
    if (pendingCalls.getAndIncrement() > 0) {
      return; // the thread that makes the calls makes this one too
    }
    do {
      Runnable next = calls.poll();
      try {
        if (next != null) {
          next.run();
        }
      } catch (RuntimeException | Error e) {
        boolean ignored = Log.warn("The state of " + this + " could not be reported.", e);
      }
    } while (pendingCalls.decrementAndGet() > 0);
  }

  private void tell(List<Consumer<? super State>> those) {
    State now = state();
    those.forEach(listener -> call(listener, now));
    if (now instanceof Closed) {
      listeners.clear(); // there is nothing more to say
    }
  }

  private static void call(Consumer<? super State> listener, State state) {
    try {
      listener.accept(state);
    } catch (RuntimeException | Error e) {
      boolean ignored = Log.warn("A listener failed at " + state + ".", e);
    }
  }

  /**
   * Chooses what to do with entries of this process's threads that this library did not make, both
   * present and later ones. A watch applies the choice to each map that it attaches. If several
   * objects have the same map open, the choice is for all of them. Two libraries that both take
   * over replace each other's entries again and again.
   *
   * @param choice what to do; {@link ForeignEntries#LEAVE} by default
   */
  public void foreignEntries(ForeignEntries choice) {
    Objects.requireNonNull(choice, "choice is null: say LEAVE or TAKE_OVER");
    boolean takeOver = choice == ForeignEntries.TAKE_OVER;
    if (watch != null) {
      watch.takeOver(takeOver);
    } else if (fixed != null) {
      MAPS.takeOver(fixed, takeOver);
      fixed.log();
    }
  }

  /**
   * Takes the entries of this process's threads out of the map, and stops watching. Values stay,
   * and keep working as plain memory. A second call does nothing. Where a serving side has to take
   * entries out and is away, they stay, and BPF goes on seeing the values, until their threads end
   * or the map is opened and closed again.
   */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      boolean isDone = false;
      try {
        if (watch != null) {
          watch.close();
        } else if (fixed != null) {
          MAPS.close(fixed);
          fixed.log();
        }
        isDone = true;
      } finally {
        closed.set(isDone);
      }
      VirtualThreads.closed();
      changed();
    }
  }

  @Override
  public String toString() {
    OpenMap map = attached();
    boolean isSocket = map != null && map.wire() == null;
    return "TaskLocalMap["
        + (watch == null || isSocket ? "" : watch + ", ")
        + (map == null ? "waiting" : (map.wire() == null ? "" : "wire " + map.wire() + ", ") + map)
        + "]";
  }
}
