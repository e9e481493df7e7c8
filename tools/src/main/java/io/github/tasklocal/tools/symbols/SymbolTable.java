// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.symbols;

import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Names of ranges of addresses. Of ranges that overlap, the one that begins last counts. */
final class SymbolTable {

  /** A range's end, and its name. */
  private record Range(long end, String name) {}

  private final TreeMap<Long, Range> ranges = new TreeMap<>(Long::compareUnsigned);

  /**
   * Adds a range.
   *
   * @param size in bytes; 0 if it goes on to the next one
   */
  void add(long start, long size, String name) {
    Range range = new Range(size == 0 ? -1 : start + size, name);
    // Of several names of one address, the first one that has a size.
    Range before = ranges.putIfAbsent(start, range);
    if (before != null && before.end == -1 && size != 0) {
      ranges.put(start, range);
    }
  }

  /** {@return the name of the range with an address, or null if there is none} */
  @Nullable String find(long address) {
    Map.Entry<Long, Range> found = ranges.floorEntry(address);
    return found == null || Long.compareUnsigned(address, found.getValue().end) >= 0
        ? null
        : found.getValue().name;
  }

  boolean isEmpty() {
    return ranges.isEmpty();
  }
}
