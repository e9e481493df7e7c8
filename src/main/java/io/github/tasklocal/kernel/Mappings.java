// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.KernelException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** The mappings of this process's memory, as {@code /proc/self/smaps} shows them (proc(5)). */
final class Mappings {

  private static final Path SMAPS = Path.of("/proc/self/smaps");

  private Mappings() {}

  /**
   * {@return whether memory is private, of no file, and in small pages}
   *
   * @throws KernelException if procfs cannot be read
   */
  static boolean arePrivate(long address, long bytes) {
    // Names of files may have any bytes.
    try (BufferedReader lines = Files.newBufferedReader(SMAPS, StandardCharsets.ISO_8859_1)) {
      long at = address;
      boolean inside = false;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        long[] range = range(line);
        if (range != null) { // "START-END rw-p OFFSET DEVICE INODE PATH", and then its fields
          if (at >= address + bytes) {
            return true;
          }
          inside = range[0] <= at && at < range[1];
          if (inside) {
            String[] fields = line.split(" +", 6);
            if (!fields[1].equals("rw-p") || !fields[4].equals("0")) {
              return false;
            }
            at = range[1];
          }
        } else if (inside && line.startsWith("KernelPageSize:")) {
          if (!line.replaceAll("\\s", "").equals("KernelPageSize:4kB")) {
            return false;
          }
        }
      }
      return at >= address + bytes;
    } catch (IOException e) {
      throw new KernelException(
          "read",
          SMAPS.toString(),
          null,
          String.valueOf(e.getMessage()),
          "mount procfs at /proc; raise the limit of open files (ulimit -n) if none is left");
    }
  }

  private static long @Nullable [] range(String line) {
    int dash = line.indexOf('-');
    int end = line.indexOf(' ');
    if (dash <= 0 || end < dash || line.charAt(end - 1) == ':') {
      return null;
    }
    try {
      return new long[] {
        Long.parseUnsignedLong(line, 0, dash, 16), Long.parseUnsignedLong(line, dash + 1, end, 16)
      };
    } catch (NumberFormatException e) {
      return null;
    }
  }
}
