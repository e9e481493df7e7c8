// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.KernelException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The mappings of this process's memory, as {@code /proc/self/maps} shows them (proc(5)). */
final class Mappings {

  private static final Path MAPS = Path.of("/proc/self/maps");

  private Mappings() {}

  /**
   * {@return those of some blocks of memory that are not private, of no file, and in small pages}
   * Huge pages that somebody has asked for (MAP_HUGETLB) are those of a file, even anonymous ones
   * (fs/hugetlbfs/inode.c), and transparent ones are split as a part is dropped. The list of
   * mappings has a line or two for each thread of the process, and is read once.
   *
   * @param blocks an address and a size in bytes for each
   * @throws KernelException if procfs cannot be read
   */
  static List<long[]> notPrivate(List<long[]> blocks) {
    List<long[]> sorted = new ArrayList<>(blocks);
    sorted.sort(new ByAddress());
    List<long[]> wrong = new ArrayList<>();
    // Names of files may have any bytes.
    try (BufferedReader lines = Files.newBufferedReader(MAPS, StandardCharsets.ISO_8859_1)) {
      Iterator<long[]> rest = sorted.iterator();
      long[] block = next(rest);
      long at = block == null ? 0 : block[0];
      String line = lines.readLine();
      while (block != null && line != null) {
        // START-END rw-p OFFSET DEVICE INODE PATH
        int dash = line.indexOf('-');
        long end = Long.parseUnsignedLong(line, dash + 1, line.indexOf(' '), 16);
        if (end <= at) {
          line = lines.readLine();
          continue;
        }
        boolean isRight = Long.parseUnsignedLong(line, 0, dash, 16) <= at && isPrivate(line);
        if (isRight && end < block[0] + block[1]) {
          at = end; // the next mapping has the rest
          continue;
        }
        if (!isRight) {
          wrong.add(block);
        }
        block = next(rest);
        at = block == null ? 0 : block[0];
      }
      for (; block != null; block = next(rest)) {
        wrong.add(block);
      }
      return wrong;
    } catch (IOException e) {
      throw new KernelException(
          "read",
          MAPS.toString(),
          null,
          String.valueOf(e.getMessage()),
          "mount procfs at /proc; raise the limit of open files (ulimit -n) if none is left");
    }
  }

  private static boolean isPrivate(String line) {
    String[] fields = line.split(" +", 6);
    return fields[1].equals("rw-p") && fields[4].equals("0");
  }

  private static long @Nullable [] next(Iterator<long[]> blocks) {
    return blocks.hasNext() ? blocks.next() : null;
  }

  /** Not a lambda: a program's first one takes milliseconds. */
  private static final class ByAddress implements Comparator<long[]> {
    @Override
    public int compare(long[] one, long[] other) {
      return Long.compareUnsigned(one[0], other[0]);
    }
  }
}
