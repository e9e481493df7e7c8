// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.layout.Wire;
import org.jspecify.annotations.Nullable;

/**
 * An open map, as all copies of the library know it ({@link SharedData}): a view of an array of the
 * JDK's types. Under the registry's lock.
 */
final class SharedMap {

  /** The id of what a serving side has, which is one for each process. */
  static final int SERVED = -1;

  /** Indexes of the numbers. */
  private static final int FD = 0;

  private static final int ID = 1;
  private static final int WIRE = 2;
  private static final int USERS = 3;
  private static final int TAKES_OVER = 4;
  private static final int ENTRIES = 5;
  private static final int GONE = 6;
  private static final int COUNT = 7;

  /** Which of the process's maps this is, from 0. */
  final int number;

  private final Object[] data;
  private final int[] n;

  /** Makes a map that nobody uses yet. */
  SharedMap(int number, KernelMap map, Wire wire) {
    this(number, new Object[] {new int[COUNT], map.description()});
    n[FD] = map.fd();
    n[ID] = map.id();
    n[WIRE] = wire.ordinal();
  }

  /** Makes what a serving side has at a socket, which nobody uses yet. */
  SharedMap(int number, String socket) {
    this(number, new Object[] {new int[COUNT], socket});
    n[ID] = SERVED;
    n[WIRE] = SERVED;
  }

  /** Makes a view of one of {@link SharedData#maps}. */
  SharedMap(int number, Object data) {
    this.number = number;
    this.data = (Object[]) data;
    this.n = (int[]) this.data[0];
  }

  Object data() {
    return data;
  }

  /** {@return whether that is this map} */
  @SuppressWarnings("ReferenceEquality")
  boolean is(@Nullable Object other) {
    return other == data;
  }

  int id() {
    return n[ID];
  }

  /** {@return the map's wire, or null if it is a socket's} */
  @Nullable Wire wire() {
    return n[WIRE] == SERVED ? null : Wire.values()[n[WIRE]];
  }

  /** {@return the path of the socket} */
  String socket() {
    return String.valueOf(data[1]);
  }

  /** {@return the kernel's map, with the process's descriptor} */
  KernelMap map(Wire wire) {
    return KernelMap.known(n[FD], n[ID], wire.valueSize(), String.valueOf(data[1]));
  }

  /** No thread has an entry any more. Cannot fail. */
  void forgetEntries() {
    n[ENTRIES] = 0;
  }

  /** A copy is gone that had maps open so many times. */
  static void leave(@Nullable Object[] maps, int[] uses) {
    for (int i = 0; i < maps.length; i++) {
      if (maps[i] instanceof Object[] parts && parts[0] instanceof int[] numbers) {
        numbers[USERS] -= uses[i];
      }
    }
  }

  /** {@return how many times the process has opened this map; 0 once it is being closed} */
  int users() {
    return n[USERS];
  }

  /** Notes that one more has opened it, or one less. */
  void use(int more) {
    n[USERS] += more;
  }

  /** {@return whether the descriptor is closed, or will be without the lock} */
  boolean isGone() {
    return n[GONE] != 0;
  }

  void gone() {
    n[GONE] = 1;
  }

  /** {@return whether entries that somebody else made are replaced} */
  boolean takesOver() {
    return n[TAKES_OVER] != 0;
  }

  void takeOver(boolean takeOver) {
    n[TAKES_OVER] = takeOver ? 1 : 0;
  }

  /** {@return how many threads have an entry} */
  int entries() {
    return n[ENTRIES];
  }

  /** {@return whether a thread has its entry} */
  boolean hasEntry(Place place) {
    return !isGone() && place.hasEntry(number);
  }

  void setEntry(Place place, boolean is) {
    if (!isGone() && place.setEntry(number, is)) {
      n[ENTRIES] += is ? 1 : -1;
    }
  }

  /** {@return whether any copy has asked the kernel for an entry, and may have got it} */
  boolean wasTried(Place place) {
    return !isGone() && place.wasTried(number);
  }

  void tried(Place place, boolean is) {
    if (!isGone()) {
      place.tried(number, is);
    }
  }
}
