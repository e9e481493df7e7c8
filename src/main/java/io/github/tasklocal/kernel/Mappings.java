// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.KernelException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The mappings of this process's memory, as {@code /proc/self/maps} shows them (proc(5)). */
final class Mappings {

  private static final Path MAPS = Path.of("/proc/self/maps");

  private Mappings() {}

  /**
   * {@return whether memory is private, of no file, and in small pages} Huge pages that somebody
   * has asked for (MAP_HUGETLB) are those of a file, even anonymous ones (fs/hugetlbfs/inode.c),
   * and transparent ones are split as a part is dropped.
   *
   * @throws KernelException if procfs cannot be read
   */
  static boolean arePrivate(long address, long bytes) {
    // Names of files may have any bytes.
    try (BufferedReader lines = Files.newBufferedReader(MAPS, StandardCharsets.ISO_8859_1)) {
      long at = address;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        // START-END rw-p OFFSET DEVICE INODE PATH
        int dash = line.indexOf('-');
        int end = line.indexOf(' ');
        if (Long.parseUnsignedLong(line, dash + 1, end, 16) <= at) {
          continue;
        }
        String[] fields = line.split(" +", 6);
        if (Long.parseUnsignedLong(line, 0, dash, 16) > at
            || !fields[1].equals("rw-p")
            || !fields[4].equals("0")) {
          return false;
        }
        at = Long.parseUnsignedLong(line, dash + 1, end, 16);
        if (at >= address + bytes) {
          return true;
        }
      }
      return false;
    } catch (IOException e) {
      throw new KernelException(
          "read",
          MAPS.toString(),
          null,
          String.valueOf(e.getMessage()),
          "mount procfs at /proc; raise the limit of open files (ulimit -n) if none is left");
    }
  }
}
