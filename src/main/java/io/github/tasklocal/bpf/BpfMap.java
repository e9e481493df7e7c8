// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kernel.Pin;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A map of a {@link BpfObject}. */
public final class BpfMap {

  private final BpfObject object;
  private final MemorySegment map;
  private final String name;

  /** Under the object's lock, or this. */
  private final Map<Path, Pin> pins = new HashMap<>();

  private @Nullable Path pinAtLoad;

  private @Nullable RingBuffer ring;

  BpfMap(BpfObject object, MemorySegment map) {
    this.object = object;
    this.map = map;
    this.name = LibBpf.mapName(map);
  }

  /** {@return its name in the C source; for global data libbpf's, such as {@code object.bss}} */
  public String name() {
    return name;
  }

  /** {@return the size of its keys in bytes} */
  public int keySize() {
    return object.shared(() -> LibBpf.keySize(map));
  }

  /** {@return the size of its values in bytes} */
  public int valueSize() {
    return object.shared(() -> LibBpf.valueSize(map));
  }

  /** {@return how many entries it can hold; 0 where nothing limits them} */
  public int maxEntries() {
    return object.shared(() -> LibBpf.maxEntries(map));
  }

  /**
   * Sets how many entries the map can hold.
   *
   * @param entries at least 1
   * @throws IllegalStateException if the object is loaded or closed
   * @throws KernelException if libbpf refuses
   */
  public void maxEntries(int entries) {
    object.beforeLoad("max_entries", () -> LibBpf.setMaxEntries(map, entries));
  }

  /**
   * Sets where loading the object pins the map. If a map is pinned there already, left by a killed
   * process for instance, and has the same type, sizes and {@code max_entries}, it is taken over
   * with its entries, and its pin then stays when the object is closed. Otherwise its pin is
   * replaced, as by {@link #pin}.
   *
   * @param path a file on a bpffs, in a directory that exists
   * @throws NotFoundException if the directory does not exist
   * @throws NotPermittedException if this process may not enter the directory; that it may not
   *     write there, {@link BpfObject#load()} finds out
   * @throws WrongObjectException if no bpffs is there, or the name has a dot
   * @throws IllegalStateException if the object is loaded or closed
   */
  public void pinPath(Path path) {
    Objects.requireNonNull(path, "path is null: name a file on a bpffs");
    object.beforeLoad(
        "a pin path",
        () -> {
          Pin.requirePlace("pin map " + name + " at", path);
          pinAtLoad = path;
        });
  }

  /** Nothing is pinned only because the C source declares it. */
  void forgetDeclaredPin() {
    LibBpf.setPinPath(map, null);
  }

  /** Lets libbpf take over the map that is pinned at the pin path, if it has the same shape. */
  void takeOverPinned() {
    if (pinAtLoad != null && Pin.exists(pinAtLoad)) {
      try (KernelMap pinned = KernelMap.open(pinAtLoad)) {
        if (pinned.type() == LibBpf.mapType(map)
            && pinned.keySize() == LibBpf.keySize(map)
            && pinned.valueSize() == LibBpf.valueSize(map)
            && pinned.maxEntries() == LibBpf.maxEntries(map)) {
          LibBpf.setPinPath(map, pinAtLoad);
          pinAtLoad = null;
        }
      }
    }
  }

  /** Pins what was not taken over. */
  void pinAsAsked() {
    if (pinAtLoad != null) {
      replacePin(pinAtLoad);
    }
  }

  private synchronized void replacePin(Path path) {
    Pin replaced = pins.put(path, Pin.replace("pin map " + name + " at", LibBpf.mapFd(map), path));
    if (replaced != null) {
      replaced.remove();
    }
  }

  /**
   * {@return the map's descriptor, which the object owns}
   *
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public int fd() {
    return object.whileLoaded(() -> LibBpf.mapFd(map));
  }

  /**
   * Pins the map. If a map is pinned there already, left by a killed process for instance, its pin
   * is replaced in one step, so that there is always a pin. The new pin is removed by {@link
   * #unpin}, when the object is closed, or {@linkplain BpfObject when the virtual machine ends}.
   * For a map that is to outlive this process, make a {@linkplain Files#createLink hard link} to
   * the pin: it is the caller's, and stays.
   *
   * @param path a file on a bpffs, in a directory that exists
   * @throws NotFoundException if the directory does not exist
   * @throws NotPermittedException if this process may not write there
   * @throws WrongObjectException if no bpffs is there, the name has a dot, or something other than
   *     a map is pinned there
   * @throws IllegalStateException if the object is not loaded, or closed, or the virtual machine is
   *     ending
   * @throws KernelException if the kernel refuses
   */
  public void pin(Path path) {
    Objects.requireNonNull(path, "path is null: name a file on a bpffs");
    Object ignored =
        object.whileLoaded(
            () -> {
              replacePin(path);
              return this;
            });
  }

  /**
   * Removes a pin that {@link #pin} or loading made, unless another pin has replaced it.
   *
   * @param path where it was pinned
   * @throws NotFoundException if this map was not pinned there
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public void unpin(Path path) {
    Objects.requireNonNull(path, "path is null: name the pin");
    Object ignored =
        object.whileLoaded(
            () -> {
              synchronized (this) {
                requirePin(path).remove();
              }
              return this;
            });
  }

  private Pin requirePin(Path path) {
    Pin pin = pins.remove(path);
    if (pin == null) {
      throw new NotFoundException(
          "unpin map " + name + " from",
          path.toString(),
          null,
          "it was not pinned there",
          pins.isEmpty() ? "it has no pins" : "its pins are " + pins.keySet());
    }
    return pin;
  }

  void removePins() {
    pins.values().forEach(Pin::remove);
    pins.clear();
  }

  /**
   * Attaches a map of struct_ops, such as a sched_ext scheduler.
   *
   * @return the link, which is closed with the object at the latest
   * @throws WrongObjectException if the map is of another type
   * @throws NotPermittedException if this process may not attach it
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public BpfLink attach() {
    return object.attach(
        () -> {
          if (LibBpf.mapType(map) != KernelMap.STRUCT_OPS) {
            throw new WrongObjectException(
                "attach map",
                name,
                null,
                "it is no map of struct_ops",
                "attach one from SEC(\".struct_ops\"); programs are attached by themselves");
          }
          return LibBpf.attachStructOps(object.pointer(), map);
        });
  }

  /**
   * {@return the records that programs put into a map of {@code BPF_MAP_TYPE_RINGBUF}, always the
   * same object} Its memory is mapped at the first call.
   *
   * @throws WrongObjectException if the map is of another type
   * @throws KernelException if the kernel does not map its memory
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public RingBuffer ringBuffer() {
    return object.whileLoaded(
        () -> {
          synchronized (this) {
            if (LibBpf.mapType(map) != KernelMap.RING_BUFFER) {
              throw new WrongObjectException(
                  "read map",
                  name,
                  null,
                  "it is no ring buffer, its type is " + LibBpf.mapType(map),
                  "declare it with __uint(type, BPF_MAP_TYPE_RINGBUF)");
            }
            if (ring == null) {
              ring = new RingBuffer(object, map);
            }
            return ring;
          }
        });
  }

  /** {@return libbpf's pointer, which must not be used after the object is closed} */
  MemorySegment pointerIn(BpfObject user) {
    if (user != object) {
      throw new IllegalArgumentException(
          "the map %s is of the object %s, the program of %s: pass a map of the program's object"
              .formatted(name, object.name(), user.name()));
    }
    return map;
  }

  @Override
  public String toString() {
    return "BpfMap[" + name + "]";
  }
}
