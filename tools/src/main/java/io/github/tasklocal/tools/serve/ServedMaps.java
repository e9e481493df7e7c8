// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Programs;
import io.github.tasklocal.tools.system.RawMaps;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * The maps in which threads are registered: the entry of each has pointers to pages of its
 * process's arrays, as this process has them mapped.
 */
final class ServedMaps implements AutoCloseable {

  /** How often to try again where a program makes the task's first storage on another processor. */
  private static final int TRIES = 1000;

  /** A map; of no wire is that of slots. */
  private record Served(Path pin, @Nullable Wire wire, int descriptor) {}

  private final Arena arena = Arena.ofShared();
  private final MemorySegment key = arena.allocate(JAVA_INT);
  private final MemorySegment value = arena.allocate(32, 8);
  private final List<Served> maps = new CopyOnWriteArrayList<>();

  /** The pins of others' maps, which may come and be replaced; with the file that is known. */
  private final Map<Path, Long> joined = new LinkedHashMap<>();

  /** Serves the map at a path from now on, which is made if there is none. */
  void serve(PinFolder pins, Path pin, Wire ifNew) throws Failure, IOException {
    int descriptor = RawMaps.get(pin);
    while (descriptor == -Errnos.ENOENT) {
      try (BpfObject object =
          Programs.open("served_map." + ifNew.name().toLowerCase(Locale.ROOT))) {
        object.load();
        pins.pin(object.map(ifNew.mapName()).fd(), pin);
      }
      descriptor = RawMaps.get(pin);
    }
    add(pin, descriptor, ifNew);
  }

  /** Registers threads in a map of slots from now on. */
  void serveSlots(Path pin) throws Failure {
    int descriptor = RawMaps.get(pin);
    if (descriptor < 0) {
      throw cannotOpen(pin, descriptor);
    }
    maps.add(new Served(pin, null, descriptor));
  }

  /** Serves whatever map others pin at a path, from {@link #follow} on. */
  void join(Path pin) {
    joined.put(pin, 0L);
  }

  /** {@return whether others may pin maps that are to be served} */
  boolean follows() {
    return !joined.isEmpty();
  }

  /**
   * Looks whether others have pinned a map, or another one.
   *
   * @return whether threads have to be registered anew
   */
  boolean follow(ServeLog log) {
    boolean changed = false;
    for (Map.Entry<Path, Long> each : joined.entrySet()) {
      Path pin = each.getKey();
      long file = file(pin);
      if (file == 0 || file == each.getValue()) {
        continue; // A map whose pin was removed may still be read.
      }
      each.setValue(file);
      try {
        List<Served> old = maps.stream().filter(map -> map.pin().equals(pin)).toList();
        add(pin, RawMaps.get(pin), null);
        maps.removeAll(old);
        old.forEach(map -> Native.close(map.descriptor()));
        changed = true;
        log.tell("map", "serves the map " + pin, "map", pin.toString());
      } catch (Failure | TaskLocalException e) {
        log.tell(
            "failed",
            "cannot serve the map " + pin + ": " + e.getMessage(),
            "map",
            pin.toString(),
            "reason",
            String.valueOf(e.getMessage()));
      }
    }
    return changed;
  }

  /** {@return the number of the file at a path; 0 if there is none} */
  private static long file(Path pin) {
    try {
      return (Long) Files.getAttribute(pin, "unix:ino");
    } catch (IOException e) {
      return 0;
    }
  }

  private static Failure cannotOpen(Path pin, int status) {
    return new Failure(
        "cannot open the map pinned at " + pin + " (" + Errnos.name(-status) + ")",
        status == -Errnos.ENOENT ? "start the program that pins it first" : "run as root");
  }

  /** Serves a map, whose wire has to be told where only CAP_SYS_ADMIN could find it out. */
  private void add(Path pin, int descriptor, @Nullable Wire ifUnknown) throws Failure {
    if (descriptor < 0) {
      throw cannotOpen(pin, descriptor);
    }
    boolean done = false;
    try {
      maps.add(new Served(pin, wire(pin, descriptor, ifUnknown), descriptor));
      done = true;
    } finally {
      if (!done) {
        Native.close(descriptor);
      }
    }
  }

  private static Wire wire(Path pin, int descriptor, @Nullable Wire ifUnknown) throws Failure {
    try (TaskLocalMap map = TaskLocalMap.of(descriptor)) {
      return map.wire();
    } catch (NotPermittedException e) {
      if (ifUnknown == null) {
        throw new Failure(
            "the wire of %s cannot be found out (%s)".formatted(pin, e.getMessage()),
            "run as root, or with CAP_SYS_ADMIN");
      }
      try (TaskLocalMap map = TaskLocalMap.of(descriptor, ifUnknown)) {
        return map.wire();
      }
    }
  }

  /** {@return the maps in words} */
  List<String> names() {
    return maps.stream()
        .map(
            each -> each.pin() + (each.wire() == null ? " (slots)" : " (wire " + each.wire() + ")"))
        .toList();
  }

  /**
   * Registers a thread.
   *
   * @param pidfd of the thread
   * @param keys the process's first array
   * @param array where the thread's page is
   * @param page its number there
   * @param start where its values begin
   * @param stamp of the process
   * @return 0, or a negative errno
   */
  int set(int pidfd, ServedArray keys, ServedArray array, int page, int start, int stamp) {
    key.set(JAVA_INT, 0, pidfd);
    int status = 0;
    for (Served map : maps) {
      if (map.wire() != Wire.B || start == DataPage.START) {
        int set =
            map.wire() == null
                ? slot(map, keys.number(), array.number(), page, start, stamp)
                : pointers(map, map.wire(), keys, array, page, start, stamp);
        status = status == 0 ? set : status;
      }
    }
    return status;
  }

  private int slot(Served map, int keys, int array, int page, int start, int stamp) {
    value.set(JAVA_INT, 0, array);
    value.set(JAVA_SHORT, 4, (short) page);
    value.set(JAVA_SHORT, 6, (short) start);
    value.set(JAVA_INT, 8, keys);
    value.set(JAVA_INT, 12, stamp);
    return update(map.descriptor());
  }

  private int pointers(
      Served map, Wire wire, ServedArray keys, ServedArray array, int page, int start, int stamp) {
    long directory = keys.address();
    long pages = array.address();
    if (directory < 0 || pages < 0) {
      return -Errnos.ENOMEM;
    }
    int kernelPage = Native.pageSize();
    long values = pages + (long) page * DataPage.SIZE + start - DataPage.START;
    long metadata = directory + (wire == Wire.A ? 0 : kernelPage);
    MapValue.write(value, wire, values, metadata, stamp);
    int status = update(map.descriptor());
    if (status == -Errnos.EOPNOTSUPP && kernelPage != DataPage.SIZE) {
      // The program has the kernel's own header, whose structs are as large as the kernel's pages.
      MapValue.write(value, wire, values, metadata, stamp, kernelPage);
      status = update(map.descriptor());
    }
    return status;
  }

  private int update(int map) {
    int status = RawMaps.update(map, key, value);
    for (int tries = 0; status == -Errnos.EAGAIN && tries < TRIES; tries++) {
      Thread.onSpinWait();
      status = RawMaps.update(map, key, value);
    }
    return status == -Errnos.ENOENT ? -Errnos.ESRCH : status;
  }

  /** Takes a thread's entries out; {@return 0 once there are none, or a negative errno} */
  int remove(int pidfd) {
    int status = 0;
    try (Arena own = Arena.ofConfined()) {
      MemorySegment thread = own.allocateFrom(JAVA_INT, pidfd);
      for (Served map : maps) {
        int removed = RawMaps.delete(map.descriptor(), thread);
        boolean isGone = removed == -Errnos.ENOENT || removed == -Errnos.ESRCH;
        status = status == 0 && !isGone ? removed : status;
      }
    }
    return status;
  }

  @Override
  public void close() {
    maps.forEach(map -> Native.close(map.descriptor()));
    arena.close();
  }
}
