// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.RawMaps;
import java.nio.file.Path;

/** An array of pages that one process has, or will have. It lives in the kernel, by its pin. */
final class ServedArray {

  private final int number;
  private final Path pin;
  private long address;

  ServedArray(int number, Path pin) {
    this.number = number;
    this.pin = pin;
  }

  int number() {
    return number;
  }

  Path pin() {
    return pin;
  }

  /** {@return a new descriptor of it; a negative errno if that fails} */
  int open() {
    return RawMaps.get(pin);
  }

  /** {@return where its pages are in this process; a negative errno if they cannot be mapped} */
  long address() {
    if (address == 0) {
      int descriptor = open();
      if (descriptor < 0) {
        return descriptor;
      }
      long mapped = RawMaps.map(descriptor);
      Native.close(descriptor);
      if (mapped < 0) {
        return mapped;
      }
      address = mapped;
    }
    return address;
  }

  /** Gives back this process's mapping; the pages live on where others have them. */
  void unmap() {
    if (address != 0) {
      RawMaps.unmap(address);
      address = 0;
    }
  }
}
