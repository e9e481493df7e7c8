// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.symbols;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The kernel's functions, as {@code /proc/kallsyms} has them. */
public final class KernelSymbols {

  private final SymbolTable functions = new SymbolTable();

  /** Reads them, of which there are some hundred thousand. */
  public KernelSymbols() {
    try (BufferedReader lines = Files.newBufferedReader(Path.of("/proc/kallsyms"))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        add(line);
      }
    } catch (IOException e) {
      // Then the kernel's frames have no names, and the user is told so.
    }
  }

  /** Adds a line of an address, a type and a name, and the module in brackets. */
  private void add(String line) {
    String[] words = line.split("\\s+", 4);
    if (words.length < 3 || !words[1].matches("[tTwW]")) {
      return;
    }
    long address = Long.parseUnsignedLong(words[0], 16);
    if (address != 0) { // what users who may not know see
      functions.add(address, 0, words[2]);
    }
  }

  /** {@return whether they could be read} */
  public boolean areKnown() {
    return !functions.isEmpty();
  }

  /** {@return the frame of an address} */
  public Frame frame(long address) {
    String name = functions.find(address);
    return name == null ? Frame.unknown("kernel") : new Frame(name, Frame.Kind.KERNEL);
  }
}
