// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import java.io.DataInputStream;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** The kernel's pages, in which it pins, maps and takes back memory. */
public final class KernelPage {

  /**
   * The size of a page in bytes: 4096 on x86-64, which has no other; on arm64 what the kernel was
   * built for, 4096, 16,384 or 65,536. Where there is no Linux, and nothing is shared, 4096.
   */
  public static final int BYTES = size();

  /** The entry of the auxiliary vector with the size, AT_PAGESZ of elf.h. */
  private static final long AT_PAGESZ = 6;

  private KernelPage() {}

  private static int size() {
    if (System.getProperty("os.arch", "").equals("amd64")
        || !System.getProperty("os.name", "").equals("Linux")) {
      return 4096;
    }
    int told = told();
    if (told != 0) {
      return told;
    }
    // Without native access no key can be made.
    return NativeAccess.allowed() ? Libc.pageSize() : 4096;
  }

  /**
   * {@return what the kernel has told this process at its start, or 0 if that cannot be read} A
   * native call would cost a program that opens no map tens of milliseconds.
   */
  private static int told() {
    try (DataInputStream in =
        new DataInputStream(Files.newInputStream(Path.of("/proc/self/auxv")))) {
      for (long type = word(in); type != 0; type = word(in)) {
        long value = word(in);
        if (type == AT_PAGESZ) {
          return Math.toIntExact(value);
        }
      }
    } catch (IOException e) {
      // Not there, or not this process's to read: it may have changed its user.
    }
    return 0;
  }

  private static long word(DataInputStream in) throws IOException {
    long bigEndian = in.readLong();
    return ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN
        ? bigEndian
        : Long.reverseBytes(bigEndian);
  }
}
