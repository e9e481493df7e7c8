// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.Elements;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kernel.Link;
import io.github.tasklocal.kernel.Pin;
import io.github.tasklocal.kernel.Slots;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A map of a {@link BpfObject}. */
public final class BpfMap {

  private final BpfObject object;
  private final MemorySegment map;
  private final String name;

  /** Under the object's lock, or this. */
  private final Map<Path, Pin> pins = new HashMap<>();

  private @Nullable Path pinAtLoad;

  /** At that path, and like this map. */
  private @Nullable KernelMap pinned;

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
   * @throws WrongObjectException if the map holds global variables
   * @throws IllegalStateException if the object is loaded or closed
   * @throws KernelException if libbpf refuses
   */
  public void maxEntries(int entries) {
    object.beforeLoad("max_entries", () -> LibBpf.setMaxEntries(map, entries));
  }

  /**
   * Sets the size of the map's values, as is needed for a map of stacks ({@code
   * BPF_MAP_TYPE_STACK_TRACE}) whose C source leaves it open: 8 bytes for each frame.
   *
   * @param bytes at least 1
   * @throws WrongObjectException if the map holds global variables
   * @throws IllegalStateException if the object is loaded or closed
   * @throws KernelException if libbpf refuses
   */
  public void valueSize(int bytes) {
    object.beforeLoad("value_size", () -> LibBpf.setValueSize(map, bytes));
  }

  /**
   * Sets where loading the object pins the map. If a map is pinned there already, left by a killed
   * process for instance, and has the same type, sizes, {@code max_entries} and flags, it is taken
   * over with its entries, and its pin then stays when the object is closed. Otherwise its pin is
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
    LibBpf.forgetPinPath(map);
  }

  /** Opens the map that is pinned at the pin path, if it is like this one. Changes nothing. */
  void lookForPinned() {
    closePinned();
    if (pinAtLoad == null && Slots.isShared(name) && Slots.areNeeded()) {
      Slots.share(map);
    }
    if (pinAtLoad != null && Pin.exists(pinAtLoad)) {
      KernelMap found = KernelMap.open(pinAtLoad);
      if (LibBpf.isAlike(map, found)) {
        pinned = found;
      } else {
        found.close();
      }
    }
  }

  /** Has the load take over what was found. */
  void takeOverPinned() {
    if (pinned != null) {
      LibBpf.takeOver(map, pinned);
      pinAtLoad = null;
      closePinned();
    }
  }

  private void closePinned() {
    if (pinned != null) {
      pinned.close();
      pinned = null;
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
    closePinned();
    pins.values().forEach(Pin::remove);
    pins.clear();
  }

  /**
   * {@return how many bytes an element's value has for {@link #get} and {@link #put}} For a map per
   * CPU these are the values of all possible CPUs in a row, each padded to a multiple of 8 bytes;
   * otherwise it is {@link #valueSize()}.
   */
  public long elementSize() {
    return object.shared(() -> Elements.size(map));
  }

  /**
   * Reads an element. What a program writes meanwhile may be seen half-written. Costs a system
   * call, as the methods below do; to read many elements at once, see {@link
   * BpfProgram#iterate(BpfMap)}.
   *
   * @param key of {@link #keySize} bytes; for queues and stacks, which give what is next, none
   * @return a copy of its value, of {@link #elementSize} bytes, on the heap and aligned to 8 bytes;
   *     nothing if there is no such element
   * @throws WrongObjectException if elements of maps of its type cannot be read
   * @throws IllegalArgumentException if the key has another size
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public Optional<MemorySegment> get(MemorySegment key) {
    requireKey(key);
    return Optional.ofNullable(
        object.<@Nullable MemorySegment>whileLoaded(() -> Elements.get(map, key)));
  }

  /**
   * Sets an element's value, whether there is such an element yet or not.
   *
   * @param key of {@link #keySize} bytes
   * @param value of {@link #elementSize} bytes, of which the kernel makes a copy
   * @throws WrongObjectException if elements of maps of its type cannot be set, or processes may
   *     not write this one
   * @throws IllegalArgumentException if the key or the value has another size
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the map is full, the index is beyond its end, or the kernel refuses
   *     for another reason
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public void put(MemorySegment key, MemorySegment value) {
    boolean ignored = put(key, value, false);
  }

  /**
   * Makes an element, if there is none of this key.
   *
   * @param key as for {@link #put}
   * @param value as for {@link #put}
   * @return whether it was made; never for an array, which has all its elements from the beginning
   * @throws WrongObjectException as {@link #put}
   * @throws IllegalArgumentException as {@link #put}
   * @throws NotPermittedException as {@link #put}
   * @throws KernelException as {@link #put}
   * @throws IllegalStateException as {@link #put}
   */
  public boolean putIfAbsent(MemorySegment key, MemorySegment value) {
    return put(key, value, true);
  }

  private boolean put(MemorySegment key, MemorySegment value, boolean absent) {
    requireKey(key);
    Objects.requireNonNull(value, "value is null: pass one of elementSize() bytes");
    return object.whileLoaded(() -> Elements.put(map, key, value, absent));
  }

  /**
   * Removes an element.
   *
   * @param key of {@link #keySize} bytes
   * @return whether there was one
   * @throws WrongObjectException if elements of maps of its type cannot be removed, such as those
   *     of arrays, or processes may not write this one
   * @throws IllegalArgumentException if the key has another size
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the kernel refuses
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public boolean remove(MemorySegment key) {
    requireKey(key);
    return object.whileLoaded(() -> Elements.remove(map, key));
  }

  /**
   * {@return the keys of the elements that there are now, each on the heap and aligned to 8 bytes}
   * Costs a system call for each. Elements that come or go meanwhile may be listed or not.
   *
   * @throws WrongObjectException if the keys of maps of its type cannot be listed
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the kernel refuses, or elements are removed faster than they can be
   *     listed
   * @throws IllegalStateException if the object is not loaded, or closed
   */
  public List<MemorySegment> keys() {
    return object.whileLoaded(() -> Elements.keys(map));
  }

  private static void requireKey(MemorySegment key) {
    Objects.requireNonNull(key, "key is null: pass one of keySize() bytes");
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
          return Link.ofStructOps(object.pointer(), map);
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
