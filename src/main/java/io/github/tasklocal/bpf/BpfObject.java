// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NativeAccessException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.ObjectLoadException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.Btf;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kernel.Link;
import io.github.tasklocal.kernel.StackSpace;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A BPF object file, opened and then loaded into the kernel.
 *
 * {@snippet :
 * try (BpfObject object = BpfObject.load(Path.of("scheduler.bpf.o"));
 *     TaskLocalMap map = TaskLocalMap.of(object.map("task_local_data_map").fd())) {
 *   BpfLink link = object.program("on_switch").attach();
 *   MemorySegment hits = object.global("hits");
 *   ...
 * }
 * }
 *
 * <p>{@code load} does both steps. {@code open} stops after the first, so that {@code .rodata}
 * values, map sizes and pin paths can be set, and programs switched on and off, before {@link
 * #load()}.
 *
 * <p><b>Pins.</b> Nothing is pinned unless the caller asks for it: a map that is declared with
 * {@code LIBBPF_PIN_BY_NAME} is pinned only if {@link BpfMap#pinPath} names a path. The exceptions
 * are the maps of slots, {@code tld_arrays} and {@code tld_slot_map}, on kernels without uptrs:
 * they belong to all programs of the machine, and are taken over from {@code /sys/fs/bpf}, or made
 * and pinned there for good, unless {@code pinPath} names another place. Pins that were made
 * through this object are removed when it is closed, or else by a shutdown hook, unless another pin
 * lies there by then. So they are removed at {@code System.exit}, at the end of {@code main}, at
 * SIGTERM, SIGINT and SIGHUP, and stay after SIGKILL, a crash, {@code Runtime.halt}, and signals
 * under {@code java -Xrs}; the next start replaces those that stayed.
 *
 * <p><b>Close</b> waits for runs that are under way, unmaps the globals, detaches the links,
 * removes the pins and then frees the programs and maps that nobody else holds. If a native call of
 * another thread has a global's segment, it throws and closes nothing.
 *
 * <p><b>Trust.</b> An object file is trusted as code is: libbpf relies on the file's own type
 * information, and corrupt information can crash the whole process in older versions of libbpf.
 *
 * <p>libbpf's messages go to the logger {@code io.github.tasklocal.libbpf} at level debug.
 */
public final class BpfObject implements AutoCloseable {

  private enum State {
    OPEN,
    LOADED,
    CLOSED
  }

  /** The sections whose memory the kernel shows for reading only. */
  private static final Pattern READ_ONLY = Pattern.compile("\\.(rodata|kconfig)\\b");

  private final String name;
  private final MemorySegment object;
  private final MemorySegment verifierLog;
  private final Arena arena = Arena.ofShared();

  /** Of initial values, which users can get before the load. */
  private final Arena beforeLoad = Arena.ofShared();

  /** Of memory of the loaded maps, which users can get. */
  private final Arena live = Arena.ofShared();

  private final Map<String, BpfMap> maps;
  private final Map<String, BpfProgram> programs;

  /** By name, or by name and place where several have one name. */
  private final Map<String, Btf.Variable> variables;

  private final Map<String, MemorySegment> sections = new ConcurrentHashMap<>();
  private final List<BpfLink> links = new ArrayList<>();

  /** Shared by calls that use the object; exclusive for those that change it. */
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();

  private State state = State.OPEN;

  private BpfObject(byte[] file, String name, String origin) {
    this.name = name;
    MemorySegment opened = MemorySegment.NULL;
    boolean complete = false;
    try {
      MemorySegment bytes =
          arena.allocate(file.length, Long.BYTES).copyFrom(MemorySegment.ofArray(file));
      this.verifierLog = LibBpf.verifierLog(arena);
      opened = LibBpf.open(bytes, name, origin, verifierLog);
      this.object = opened;
      this.maps =
          LibBpf.maps(object).stream()
              .map(map -> new BpfMap(this, map))
              .collect(Collectors.toMap(BpfMap::name, map -> map));
      this.programs =
          LibBpf.programs(object).stream()
              .map(program -> new BpfProgram(this, program))
              .collect(Collectors.toMap(BpfProgram::name, program -> program));
      this.variables = named(LibBpf.variables(object));
      maps.values().forEach(BpfMap::forgetDeclaredPin);
      complete = true;
    } finally {
      if (!complete) {
        beforeLoad.close();
        live.close();
        if (opened.address() != 0) {
          LibBpf.close(opened);
        }
        arena.close();
      }
    }
  }

  private static Map<String, Btf.Variable> named(List<Btf.Variable> variables) {
    Map<String, Long> counts =
        variables.stream()
            .collect(Collectors.groupingBy(Btf.Variable::name, Collectors.counting()));
    return variables.stream()
        .collect(
            Collectors.toMap(
                each ->
                    Objects.requireNonNull(counts.get(each.name())) == 1
                        ? each.name()
                        : each.name() + "@" + each.section() + "+" + each.offset(),
                each -> each));
  }

  /**
   * Opens an object file without loading it.
   *
   * @param file the object file, as clang made it
   * @return the open object
   * @throws NotFoundException if there is no such file
   * @throws WrongObjectException if it is a directory
   * @throws NotPermittedException if this process may not read it
   * @throws ObjectLoadException if it is not a complete BPF object
   * @throws NotSupportedException if this is not Linux, or libbpf is missing
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws UncheckedIOException if the file cannot be read
   */
  public static BpfObject open(Path file) {
    Objects.requireNonNull(file, "file is null: name a BPF object file");
    String operation = "open object";
    if (Files.isDirectory(file)) {
      throw new WrongObjectException(
          operation, file.toString(), null, "it is a directory", "name a BPF object file in it");
    }
    try {
      return open(Files.readAllBytes(file), String.valueOf(file.getFileName()), file.toString());
    } catch (NoSuchFileException e) {
      throw new NotFoundException(
          operation, file.toString(), null, "there is no such file", "check the path");
    } catch (AccessDeniedException e) {
      throw new NotPermittedException(
          operation,
          file.toString(),
          null,
          "this process may not read it, or not enter a directory above it",
          "let its owner give it to all or to a group: chmod 644 or 640, 755 or 750 for directories");
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
  }

  /**
   * Opens an object file from memory without loading it.
   *
   * @param file the bytes of the object file
   * @return the open object
   * @throws ObjectLoadException if it is not a complete BPF object
   * @throws NotSupportedException if this is not Linux, or libbpf is missing
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static BpfObject open(byte[] file) {
    return open(
        Objects.requireNonNull(file, "file is null: pass a BPF object file's bytes"),
        "object",
        "object");
  }

  /**
   * Opens an object file from a stream, such as a resource, without loading it.
   *
   * @param file read to its end and left open
   * @return the open object
   * @throws ObjectLoadException if it is not a complete BPF object
   * @throws NotSupportedException if this is not Linux, or libbpf is missing
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws UncheckedIOException if the stream cannot be read
   */
  public static BpfObject open(InputStream file) {
    Objects.requireNonNull(file, "file is null: no stream (or no such resource)");
    try {
      return open(file.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read the object's stream", e);
    }
  }

  private static BpfObject open(byte[] file, String name, String origin) {
    ObjectFile.check(file, origin);
    LibBpf.require("open object", origin);
    return new BpfObject(file, name, origin);
  }

  /**
   * Opens and loads an object file.
   *
   * @param file the object file, as clang made it
   * @return the loaded object
   * @throws NotFoundException if there is no such file
   * @throws WrongObjectException if it is a directory
   * @throws ObjectLoadException if it is not a BPF object, or libbpf or the verifier refuses it
   * @throws NotPermittedException if this process may not load programs
   * @throws NotSupportedException if the kernel or libbpf lacks a needed feature
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws UncheckedIOException if the file cannot be read
   */
  public static BpfObject load(Path file) {
    return loaded(open(file));
  }

  /**
   * Opens and loads an object file from memory.
   *
   * @param file the bytes of the object file
   * @return the loaded object
   * @throws ObjectLoadException if it is not a BPF object, or libbpf or the verifier refuses it
   * @throws NotPermittedException if this process may not load programs
   * @throws NotSupportedException if the kernel or libbpf lacks a needed feature
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static BpfObject load(byte[] file) {
    return loaded(open(file));
  }

  /**
   * Opens and loads an object file from a stream, such as a resource.
   *
   * @param file read to its end and left open
   * @return the loaded object
   * @throws ObjectLoadException if it is not a BPF object, or libbpf or the verifier refuses it
   * @throws NotPermittedException if this process may not load programs
   * @throws NotSupportedException if the kernel or libbpf lacks a needed feature
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws UncheckedIOException if the stream cannot be read
   */
  public static BpfObject load(InputStream file) {
    return loaded(open(file));
  }

  private static BpfObject loaded(BpfObject object) {
    boolean done = false;
    try {
      object.load();
      done = true;
      return object;
    } finally {
      if (!done) {
        object.discard();
      }
    }
  }

  /**
   * Loads the opened object: makes its maps and gives its programs to the verifier. Segments that
   * {@link #global} returned before cannot be used afterwards. An object that fails to load can
   * only be closed.
   *
   * <p>Signals do not disturb the verifier, but what stops and continues the process does, such as
   * a debugger or a freezer of containers.
   *
   * @throws ObjectLoadException if libbpf or the verifier refuses it
   * @throws NotPermittedException if this process may not load programs, or write to the directory
   *     of a pin path
   * @throws NotSupportedException if the kernel lacks a needed feature
   * @throws WrongObjectException if something other than a map lies at a map's pin path
   * @throws KernelException if a map cannot be pinned, or the verifier was disturbed again and
   *     again
   * @throws IllegalStateException if it is loaded or closed, if a native call with a segment that
   *     {@link #global} returned is under way, or if a map is to be pinned while the virtual
   *     machine is ending
   */
  public void load() {
    alone(
        () -> {
          if (state != State.OPEN) {
            throw new IllegalStateException("the object " + name + " is " + lower(state));
          }
          maps.values().forEach(BpfMap::lookForPinned);
          unmap("load", beforeLoad);
          state = State.CLOSED; // a load that fails cannot be tried again
          try {
            sections.clear();
            maps.values().forEach(BpfMap::takeOverPinned);
            LibBpf.load(object, name, verifierLog);
            maps.values().forEach(BpfMap::pinAsAsked);
            state = State.LOADED;
          } finally {
            if (state == State.CLOSED) {
              live.close(); // nobody has got any of it
              free();
            }
          }
          return null;
        });
  }

  /** {@return the object's name: that of its file, or {@code object}} */
  public String name() {
    return name;
  }

  /** {@return the object's maps, including those of its global data} */
  public List<BpfMap> maps() {
    return List.copyOf(maps.values());
  }

  /** {@return the object's programs} */
  public List<BpfProgram> programs() {
    return List.copyOf(programs.values());
  }

  /**
   * {@return the map of that name}
   *
   * @param map its name in the C source
   * @throws NotFoundException if there is none; the message lists the existing names
   */
  public BpfMap map(String map) {
    return shared(() -> find(maps, map, "map"));
  }

  /**
   * {@return the program of that name}
   *
   * @param program the name of its function in the C source
   * @throws NotFoundException if there is none; the message lists the existing names
   */
  public BpfProgram program(String program) {
    return shared(() -> find(programs, program, "program"));
  }

  /**
   * {@return a global variable's memory} Before the load it holds the initial value, and the
   * segment cannot be used after {@link #load()}. Once the object is loaded, the memory is shared
   * with the BPF programs, and the segment can be used until {@link #close}. A variable in {@code
   * .rodata} can be written only before the load; afterwards its segment is read-only.
   *
   * <p>A variable in {@code .kconfig} ({@code extern ... __kconfig}) has its value once the object
   * is loaded, and is read-only: an option of the running kernel, or its version. One that is
   * {@code __weak} is 0 if the kernel does not have that option.
   *
   * <p>In an object that was linked from several, static variables can have one name. Such a one is
   * named with its section and its offset there, which the message of the exception lists: {@code
   * "debug@.bss+4"}.
   *
   * @param variable its name in the C source
   * @throws NotFoundException if there is none, or several have this name; the message lists the
   *     names to choose from
   * @throws KernelException if the kernel does not map its section
   * @throws IllegalStateException if it is in {@code .kconfig} and the object is not loaded, or the
   *     object is closed
   */
  public MemorySegment global(String variable) {
    return shared(
        () -> {
          requireOne(variable);
          Btf.Variable place = find(variables, variable, "global variable");
          return sections
              .computeIfAbsent(place.section(), section -> values(variable, section))
              .asSlice(place.offset(), place.size());
        });
  }

  private void requireOne(String variable) {
    String same =
        variables.keySet().stream()
            .filter(each -> each.startsWith(variable + "@"))
            .sorted()
            .collect(Collectors.joining(", "));
    if (!same.isEmpty()) {
      throw new NotFoundException(
          "find global variable",
          variable + " in " + name,
          null,
          "there are several of that name",
          "name one of them: " + same);
    }
  }

  private MemorySegment values(String variable, String section) {
    if (section.equals(".kconfig") && state != State.LOADED) {
      throw new IllegalStateException(
          variable + " has its value once the object " + name + " is loaded: call load()");
    }
    MemorySegment map = LibBpf.findMap(object, section);
    MemorySegment values = null;
    if (map != null) {
      values =
          state == State.LOADED
              ? LibBpf.mapValues(map, !READ_ONLY.matcher(section).lookingAt(), live)
              : LibBpf.initialValue(map, beforeLoad);
    }
    if (values == null) {
      throw new NotFoundException(
          "find global variable",
          variable + " in " + name,
          null,
          "its section " + section + " has no memory of its own",
          "declare it as a plain global, volatile const for .rodata");
    }
    return values;
  }

  private <T> T find(Map<String, T> things, String wanted, String kind) {
    Objects.requireNonNull(wanted, kind + " is null: name one");
    T found = things.get(wanted);
    if (found == null) {
      String names =
          things.keySet().stream().sorted().collect(Collectors.joining(", ", "it has ", ""));
      throw new NotFoundException(
          "find " + kind,
          wanted + " in " + name,
          null,
          "there is no such " + kind,
          things.isEmpty() ? "it has none" : names);
    }
    return found;
  }

  /** {@return libbpf's pointer, which must not be used after the object is closed} */
  MemorySegment pointer() {
    return object;
  }

  /** Unmaps the memory of the object's maps when the object is closed. */
  Arena arena() {
    return live;
  }

  /** Runs something on a loaded object that stays open meanwhile. */
  <T extends @Nullable Object> T whileLoaded(Supplier<T> use) {
    return shared(
        () -> {
          requireLoaded();
          return use.get();
        });
  }

  /** Runs something that must come before the load. */
  void beforeLoad(String what, Runnable use) {
    Object ignored =
        alone(
            () -> {
              requireNotClosed();
              if (state != State.OPEN) {
                throw new IllegalStateException(
                    what + " is set before the object is loaded: BpfObject.open, set it, load()");
              }
              use.run();
              return null;
            });
  }

  /** Makes a link that is closed with this object at the latest. */
  BpfLink attach(Supplier<Link> attach) {
    return alone(
        () -> {
          requireLoaded();
          BpfLink link = new BpfLink(this, attach.get());
          links.add(link);
          return link;
        });
  }

  void detach(BpfLink link) {
    Object ignored =
        alone(
            () -> {
              if (links.remove(link)) {
                link.destroy();
              }
              return null;
            });
  }

  int fd(BpfLink link, Link kernels) {
    return shared(
        () -> {
          if (!links.contains(link)) {
            throw new IllegalStateException("the link is closed");
          }
          return kernels.fd();
        });
  }

  private void requireNotClosed() {
    if (state == State.CLOSED) {
      throw new IllegalStateException("the object " + name + " is closed");
    }
  }

  private void requireLoaded() {
    requireNotClosed();
    if (state != State.LOADED) {
      throw new IllegalStateException("the object " + name + " is not loaded yet: call load()");
    }
  }

  private static String lower(State state) {
    return state == State.LOADED ? "loaded already" : "closed";
  }

  <T extends @Nullable Object> T shared(Supplier<T> use) {
    StackSpace.require(); // a lock of the JDK's that runs out of stack half way stays taken
    lock.readLock().lock();
    try {
      requireNotClosed();
      return use.get();
    } finally {
      lock.readLock().unlock();
    }
  }

  private <T extends @Nullable Object> T alone(Supplier<T> use) {
    StackSpace.require();
    if (lock.getReadHoldCount() > 0) { // this thread would wait for itself forever
      throw new IllegalStateException(
          "the object "
              + name
              + " is in use by this very thread, which reads a ring buffer: attach, detach and"
              + " close when consume has returned");
    }
    lock.writeLock().lock();
    try {
      return use.get();
    } finally {
      lock.writeLock().unlock();
    }
  }

  /**
   * Detaches, unpins and frees what the object has in the kernel. A second call does nothing.
   *
   * @throws IllegalStateException if a native call of another thread has a segment that {@link
   *     #global} returned; nothing is closed then, and the call can be repeated. Also if this very
   *     thread reads a ring buffer of the object
   */
  @Override
  public void close() {
    Object ignored =
        alone(
            () -> {
              discard();
              return null;
            });
  }

  /** Closes while nobody else uses the object. */
  private void discard() {
    if (state != State.CLOSED) {
      unmap("close", state == State.OPEN ? beforeLoad : live);
      if (state == State.OPEN) {
        live.close(); // nobody has got any of it
      }
      state = State.CLOSED;
      free();
    }
  }

  /** Comes first, as it is what can fail. */
  private void unmap(String operation, Arena shown) {
    try {
      shown.close();
    } catch (IllegalStateException e) {
      throw new IllegalStateException(
          ("cannot %s the object %s: a native call that is under way has a segment of a global"
                  + " variable; %s it when that call has returned")
              .formatted(operation, name, operation),
          e);
    }
  }

  private void free() {
    while (!links.isEmpty()) {
      links.removeLast().destroy();
    }
    maps.values().forEach(BpfMap::removePins);
    LibBpf.close(object);
    sections.clear();
    arena.close();
  }

  @Override
  public String toString() {
    return "BpfObject[" + name + "]";
  }
}
